//! Turning the secret behind a connector's reference into what its requests carry, and into something newer where the
//! upstream refuses it.

mod token;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::connector::{ApiKeyPlacement, Authentication, Connector};
use domain::failure::{ErrorCode, Failure};
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use self::token::Token;
use crate::ports::{AccessTokens, Credential, SecretError, SecretStore};

/// The largest secret that is sent, in bytes: `Basic` makes 8 KiB of it, which is what servers take as one header.
const MAX_BYTES: usize = 6 * 1024;

/// Where credentials come from.
#[derive(Clone)]
pub struct CredentialSources {
    /// Secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// Tokens that are had for a secret.
    pub tokens: Arc<dyn AccessTokens>,
}

/// A credential, and every secret value that it was made of.
pub(super) struct Proof<'a> {
    pub(super) credential: Credential,
    /// Every value that must not be seen.
    pub(super) secrets: Vec<SecretString>,
    /// What to do when the upstream refuses the credential; `None` when there can be no better one.
    pub(super) renewal: Option<Renewal<'a>>,
}

/// The connector's way to a credential, until the end of the call.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) connector: &'a Connector,
    pub(super) sources: &'a CredentialSources,
    pub(super) deadline: Instant,
}

/// What the upstream may refuse although it once was right (RT-12).
pub(super) struct Renewal<'a> {
    way: Way<'a>,
    refused: Refused,
}

enum Refused {
    Secret(SecretString),
    Token(Box<Token>),
}

impl<'a> Proof<'a> {
    /// Looks the secret up, and has a token for it where the connector wants one. Who does not answer until the
    /// deadline is unavailable.
    ///
    /// # Errors
    /// `secret-not-found`, `secret-unavailable` or `oauth-token-failed`, redacted.
    pub(super) async fn obtain(way: Way<'a>) -> Result<Self, Failure> {
        let authentication = &way.connector.settings.authentication;
        let Some(reference) = authentication.secret() else {
            return Ok(Self { credential: Credential::None, secrets: Vec::new(), renewal: None });
        };
        let value = way.look_up(reference, None).await?;
        if let Authentication::OAuth2 { grant, .. } = authentication {
            return Ok(Self::of_token(way, Token::obtain(way, reference, grant, value).await?));
        }
        Self::of_secret(way, authentication, value)
    }

    /// As [`Self::obtain`], but not from what a cache remembers: the store, or the authorization server, is asked now.
    ///
    /// # Errors
    /// As [`Self::obtain`].
    pub(super) async fn obtain_anew(way: Way<'a>) -> Result<Self, Failure> {
        let Self { mut credential, mut secrets, renewal } = Self::obtain(way).await?;
        if let Some(renewal) = renewal
            && let Some(anew) = renewal.renew().await?
        {
            credential = anew.credential;
            secrets.extend(anew.secrets);
        }
        Ok(Self { credential, secrets, renewal: None })
    }

    fn of_secret(way: Way<'a>, authentication: &Authentication, value: SecretString) -> Result<Self, Failure> {
        let mut secrets = vec![value.clone()];
        let renewal = Some(Renewal { way, refused: Refused::Secret(value.clone()) });
        let credential = match authentication {
            Authentication::ApiKey { placement: ApiKeyPlacement::Header(name), .. } => {
                Credential::Header(name.clone(), value)
            }
            Authentication::ApiKey { placement: ApiKeyPlacement::Query(name), .. } => {
                Credential::Query(name.clone(), value)
            }
            Authentication::Bearer { .. } => bearer(&value),
            Authentication::Basic { .. } => {
                let Some((_, password)) = value.expose_secret().split_once(':') else {
                    let message = "the secret of a connector with `Basic` must read `username:password`";
                    return Err(Failure::new(ErrorCode::SecretNotFound, message));
                };
                secrets.push(SecretString::from(password));
                let encoded = STANDARD.encode(value.expose_secret());
                Credential::Header("Authorization".to_owned(), format!("Basic {encoded}").into())
            }
            // `obtain` has answered for both.
            Authentication::None | Authentication::OAuth2 { .. } => Credential::None,
        };
        Ok(Self { credential, secrets, renewal })
    }

    fn of_token(way: Way<'a>, token: Token) -> Self {
        let (credential, secrets) = (bearer(token.value()), token.secrets());
        // One that was made for this very call is as good as the next one.
        let renewal = token.is_cached().then(|| Renewal { way, refused: Refused::Token(Box::new(token)) });
        Self { credential, secrets, renewal }
    }
}

impl<'a> Renewal<'a> {
    /// A proof other than the one that was refused, if the store or the token endpoint has one now.
    ///
    /// # Errors
    /// Why neither could say, redacted.
    pub(super) async fn renew(self) -> Result<Option<Proof<'a>>, Failure> {
        let Self { way, refused } = self;
        let authentication = &way.connector.settings.authentication;
        match (refused, authentication.secret()) {
            (Refused::Secret(stale), Some(reference)) => {
                let value = way.look_up(reference, Some(&stale)).await?;
                if equal(&value, &stale) { Ok(None) } else { Proof::of_secret(way, authentication, value).map(Some) }
            }
            (Refused::Token(token), Some(reference)) => {
                Ok(token.renew(way, reference).await?.map(|token| Proof::of_token(way, token)))
            }
            (_, None) => Ok(None),
        }
    }
}

impl Way<'_> {
    /// The current value; not `stale` if the store has another one.
    async fn look_up(&self, reference: &SecretRef, stale: Option<&SecretString>) -> Result<SecretString, Failure> {
        let store = &self.sources.secrets;
        let resolving = async {
            match stale {
                None => store.resolve(reference).await,
                Some(stale) => store.renew(reference, stale).await,
            }
        };
        let value = match timeout_at(self.deadline, resolving).await {
            Ok(Ok(value)) => value,
            Ok(Err(error @ (SecretError::NotFound(_) | SecretError::UnknownStore { .. }))) => {
                return Err(Failure::new(ErrorCode::SecretNotFound, format!("{reference}: {error}")));
            }
            Ok(Err(SecretError::Unavailable(cause))) => {
                let message = format!("the secret store of {reference}: {cause}");
                return Err(Failure::new(ErrorCode::SecretUnavailable, message));
            }
            Err(_) => {
                let message = format!("the secret store of {reference} did not answer until the deadline");
                return Err(Failure::new(ErrorCode::SecretUnavailable, message));
            }
        };
        if value.expose_secret().len() > MAX_BYTES {
            let message = format!("the secret `{reference}` is too large to be sent: at most 6 KiB are");
            return Err(Failure::new(ErrorCode::SecretNotFound, message));
        }
        Ok(value)
    }
}

fn bearer(value: &SecretString) -> Credential {
    Credential::Header("Authorization".to_owned(), format!("Bearer {}", value.expose_secret()).into())
}

fn equal(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
