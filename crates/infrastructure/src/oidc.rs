//! Access tokens of an OpenID Connect provider (SE-A-2): signed JWTs, judged with the keys that the provider publishes.
//!
//! Nothing that stands in a token says how it is to be judged but `alg` and `kid`, and these only pick one of the
//! provider's keys, which has an algorithm of its own. Keys and addresses of keys in a token are never looked at.

mod claims;
mod jwk;
mod jwt;
mod keyring;
mod provider;

use std::sync::Arc;

use application::ports::{Clock, TokenFault, TokenRejected, TokenVerifier, VerifiedToken};
use async_trait::async_trait;
use tokio::time::Instant;

use self::jwk::KeySet;
use self::jwt::Jwt;
use self::keyring::Keyring;
use self::provider::Provider;
use crate::http::{ClientError, TrustedRoots};

pub use self::provider::{InvalidIssuer, Issuer};

/// Whose tokens are taken.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Who issues them.
    pub issuer: Issuer,
    /// What they have to be meant for.
    pub audience: String,
    /// By whom the provider's certificate may be signed.
    pub roots: TrustedRoots,
}

/// Judges access tokens of one provider. One instance serves the whole process: it holds the provider's keys.
pub struct OidcVerifier {
    issuer: Issuer,
    audience: String,
    keys: Keyring,
    clock: Arc<dyn Clock>,
}

impl OidcVerifier {
    /// Builds the client. The provider is not asked before the first token, so that it may be away at the start.
    ///
    /// # Errors
    /// [`ClientError`]: an unreadable extra root, or no trusted root at all.
    pub fn new(settings: OidcSettings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let OidcSettings { issuer, audience, roots } = settings;
        let keys = Keyring::new(Provider::new(issuer.clone(), &roots)?);
        Ok(Self { issuer, audience, keys, clock })
    }

    fn judge(&self, jwt: &Jwt<'_>, keys: &KeySet) -> Result<VerifiedToken, TokenFault> {
        keys.verify(jwt)?;
        claims::check(jwt.payload()?, self.issuer.as_str(), &self.audience, self.clock.now())
    }
}

#[async_trait]
impl TokenVerifier for OidcVerifier {
    async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenRejected> {
        let begun = Instant::now();
        let jwt = Jwt::parse(token)?;
        let keys = self.keys.current().await?;
        match self.judge(&jwt, &keys) {
            Err(TokenFault::UnknownKey) => {
                let keys = self.keys.after_unknown_key(&keys, begun).await;
                Ok(self.judge(&jwt, &keys)?)
            }
            judged => Ok(judged?),
        }
    }

    async fn verify_without_search(&self, token: &str) -> Result<VerifiedToken, TokenRejected> {
        let jwt = Jwt::parse(token)?;
        Ok(self.judge(&jwt, &*self.keys.current().await?)?)
    }
}
