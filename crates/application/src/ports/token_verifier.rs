//! Who signed a token, and for whom.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

/// A token whose signature holds, that is meant for this service, and that counts now.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedToken {
    /// `sub`: 1 to 255 characters that can be shown as they are.
    pub subject: String,
    /// All claims.
    pub claims: Map<String, Value>,
}

/// What is wrong with a token. For the log: the caller is not told, and nothing of the token is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is neither an API key nor a signed JWT.
    #[error("it is no signed JWT")]
    Malformed,
    /// It is longer than any token that is looked at.
    #[error("it is too long")]
    TooLong,
    /// `alg` is not one of those that are accepted.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// Its header has `crit`, or a `typ` that is not that of an access token.
    #[error("its header asks for what is not understood")]
    Header,
    /// The provider has no key for it.
    #[error("it is signed with an unknown key")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("its signature does not hold")]
    Signature,
    /// The payload is no object of claims, or has a claim twice.
    #[error("its claims cannot be read")]
    Claims,
    /// `iss` is missing or another one.
    #[error("it comes from another issuer")]
    Issuer,
    /// `aud` is missing or names others.
    #[error("it is meant for another audience")]
    Audience,
    /// `exp` is missing or no point in time.
    #[error("its expiry cannot be read")]
    Expiry,
    /// `exp` is over.
    #[error("it has expired")]
    Expired,
    /// `nbf` is to come, or no point in time.
    #[error("it does not count yet")]
    NotYet,
    /// `sub` is missing or cannot be the name of an actor.
    #[error("its subject cannot be the name of an actor")]
    Subject,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRejected {
    /// It is not valid.
    Invalid(TokenFault),
    /// Nobody can tell: the provider is away and none of its keys is at hand.
    Undecided {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

impl From<TokenFault> for TokenRejected {
    fn from(fault: TokenFault) -> Self {
        Self::Invalid(fault)
    }
}

/// Judges tokens of the deployment's identity provider.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Judges a token, with the provider's current keys.
    ///
    /// # Errors
    /// Why it is not taken.
    async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenRejected>;

    /// The same, but a token that names an unknown key does not make the provider asked for it. Keys that are missing or
    /// have grown old are asked for as ever: whoever presents bad tokens must not make old ones count for longer.
    ///
    /// # Errors
    /// Why it is not taken.
    async fn verify_without_search(&self, token: &str) -> Result<VerifiedToken, TokenRejected>;
}
