//! Who a caller is, by the credential that it presents: an API key, or a token of the identity provider.

mod failed_logins;
mod grants;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::access::{Actor, ActorType, Principal};
use domain::api_key;

use crate::api_key::ApiKeyService;
use crate::error::Error;
use crate::ports::{TokenRejected, TokenVerifier, VerifiedToken};

use self::failed_logins::{Charge, FailedLogins};
pub use self::grants::{ClaimPath, GrantRules};

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// The credential is not valid. The reason is for the log.
    #[error("the credential is refused: {0}")]
    Refused(String),
    /// Too many credentials from this address were not valid; this one was not looked up.
    #[error("too many failed log-ins")]
    Throttled {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// The token is valid, and says nothing that makes a role here.
    #[error("{explanation}")]
    NoRole {
        /// Whose it is.
        actor: Actor,
        /// What it says, and where; for the caller, too.
        explanation: String,
    },
    /// Nobody can tell at the moment: the identity provider is away, and none of its keys is at hand.
    #[error("the identity provider is unavailable")]
    ProviderUnavailable {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// Nobody can tell: the look-up failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The identity provider's tokens, and what their claims mean here.
pub struct Tokens {
    /// Judges them.
    pub verifier: Arc<dyn TokenVerifier>,
    /// What their claims mean.
    pub rules: GrantRules,
}

/// The use case of every request. API keys are known by their prefix, so that a token is never looked up in the store
/// and a key never shown to the verifier.
pub struct AuthenticationService {
    keys: Option<Arc<ApiKeyService>>,
    tokens: Option<Tokens>,
    failed_logins: FailedLogins,
}

impl AuthenticationService {
    /// The service over what is accepted. Beyond so many failed attempts a minute (0: any number) an address is
    /// throttled.
    #[must_use]
    pub fn new(keys: Option<Arc<ApiKeyService>>, tokens: Option<Tokens>, failed_logins_per_minute: u32) -> Self {
        Self { keys, tokens, failed_logins: FailedLogins::per_minute(failed_logins_per_minute) }
    }

    /// The caller that presents this credential, from this address.
    ///
    /// While an address is throttled, nothing is looked up for it but keys that were good before, and the provider is not
    /// searched for the key of a token: whoever shares its address with an attacker goes on working. A refusal while it
    /// is throttled does not prolong the throttling.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn authenticate(&self, credential: &str, source: Option<IpAddr>) -> Result<Principal, Rejection> {
        if let Some(retry_after) = self.failed_logins.wait(source) {
            return match self.recognise_at_hand(credential).await {
                Err(Rejection::Refused(_) | Rejection::ProviderUnavailable { .. }) => {
                    Err(Rejection::Throttled { retry_after })
                }
                known => known,
            };
        }
        let recognised = self.recognise(credential).await;
        if let Err(Rejection::Refused(_)) = recognised {
            self.failed(source);
        }
        recognised
    }

    /// Counts an attempt that failed before there was a credential to look at: [`Rejection::Refused`] for this reason,
    /// or [`Rejection::Throttled`].
    pub fn refuse(&self, reason: &str, source: Option<IpAddr>) -> Rejection {
        if let Some(retry_after) = self.failed_logins.wait(source) {
            return Rejection::Throttled { retry_after };
        }
        self.failed(source);
        refused(reason)
    }

    fn failed(&self, source: Option<IpAddr>) {
        if let Some(source) = source
            && self.failed_logins.charge(source) == Charge::BeginsThrottling
        {
            tracing::warn!(
                security_event = "log-ins-throttled",
                %source,
                "too many log-ins failed from this address; for a while only credentials that are known to be good pass"
            );
        }
    }

    async fn recognise(&self, credential: &str) -> Result<Principal, Rejection> {
        if credential.starts_with(api_key::PREFIX) {
            return self.holder(credential).await;
        }
        let Some(tokens) = &self.tokens else { return Err(refused(NO_KEY)) };
        tokens.bearer(tokens.verifier.verify(credential).await)
    }

    async fn recognise_at_hand(&self, credential: &str) -> Result<Principal, Rejection> {
        if credential.starts_with(api_key::PREFIX) {
            let is_known = api_key::digest(credential).is_some_and(|digest| self.failed_logins.knows(&digest));
            return if is_known { self.holder(credential).await } else { Err(refused(NO_KEY)) };
        }
        let Some(tokens) = &self.tokens else { return Err(refused(NO_KEY)) };
        tokens.bearer(tokens.verifier.verify_without_search(credential).await)
    }

    /// The holder of an API key. Asked of the store every time, so that a revocation is in force with the next request.
    async fn holder(&self, key: &str) -> Result<Principal, Rejection> {
        let Some(keys) = &self.keys else { return Err(refused("API keys are not accepted here")) };
        let Some(digest) = api_key::digest(key) else { return Err(refused(NO_KEY)) };
        if let Some(principal) = keys.recognise(key).await? {
            self.failed_logins.remember(digest);
            return Ok(principal);
        }
        self.failed_logins.forget(&digest);
        Err(refused("the key is unknown, expired or revoked"))
    }
}

const NO_KEY: &str = "it is no API key";

fn refused(reason: &str) -> Rejection {
    Rejection::Refused(reason.to_owned())
}

impl Tokens {
    fn bearer(&self, verified: Result<VerifiedToken, TokenRejected>) -> Result<Principal, Rejection> {
        let token = match verified {
            Ok(token) => token,
            Err(TokenRejected::Invalid(fault)) => return Err(refused(&fault.to_string())),
            Err(TokenRejected::Undecided { retry_after }) => {
                return Err(Rejection::ProviderUnavailable { retry_after });
            }
        };
        let actor = Actor { name: token.subject, kind: ActorType::Oidc };
        match self.rules.grant(&token.claims) {
            Ok((role, scope)) => Ok(Principal { actor, role, scope }),
            Err(explanation) => Err(Rejection::NoRole { actor, explanation }),
        }
    }
}
