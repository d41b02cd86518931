//! The port behind which access tokens are had and kept.

use async_trait::async_trait;
use domain::connector::ClientCredentials;
use domain::failure::Failure;
use domain::id::ConnectorId;
use secrecy::SecretString;
use tokio::time::Instant;

/// Everything that makes an access token. Whoever asks with anything else in here is never given a token of before.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Tokens are kept, and asked for one at a time, per connector.
    pub connector: ConnectorId,
    /// Where to ask, for what, and how.
    pub grant: ClientCredentials,
    /// Who asks.
    pub client_id: String,
    /// The proof.
    pub client_secret: SecretString,
}

/// An access token for `Authorization: Bearer`.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// Printable ASCII without spaces.
    pub value: SecretString,
    /// Whether it was there before it was asked for, so that it may have been revoked since (RT-12).
    pub cached: bool,
}

/// Why there is no access token. Not redacted: the authorization server may have echoed what it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRefused {
    /// `oauth-token-failed`.
    pub failure: Failure,
    /// Whether the server does not accept the client and its secret (`invalid_client`), which a renewed secret can cure.
    pub invalid_client: bool,
}

/// Access tokens by client credentials (RFC 6749 §4.4), kept until 60 s before they expire (SE-S-7).
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// A token that is good for a minute at least, if the authorization server gives such ones. Whoever asks while the
    /// connector's token is being fetched waits for the same answer, each until `deadline`.
    ///
    /// # Errors
    /// [`TokenRefused`].
    async fn token(&self, request: &TokenRequest, deadline: Instant) -> Result<AccessToken, TokenRefused>;

    /// A token that is not `stale`, which the upstream has refused: the one that replaced it already, or a new one. It
    /// is `stale` all the same when the authorization server gives that one again.
    ///
    /// # Errors
    /// [`TokenRefused`].
    async fn renew(
        &self,
        request: &TokenRequest,
        stale: &SecretString,
        deadline: Instant,
    ) -> Result<AccessToken, TokenRefused>;
}
