//! Why a call failed. The codes are a closed list, part of the HTTP contract and explained in `docs/errors.md`.

use std::time::Duration;

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $variant:ident = $text:literal,)+) => {
        /// The `errorCode` of a log or an attempt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])+ $variant,)+ }

        impl ErrorCode {
            /// Every code, for the documentation and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as the contract spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

error_codes! {
    /// The upstream's host refused the connection.
    ConnectRefused = "connect-refused",
    /// No connection within the attempt's time.
    ConnectTimeout = "connect-timeout",
    /// The host name does not exist.
    DnsNotFound = "dns-not-found",
    /// The name servers failed or did not answer.
    DnsFailure = "dns-failure",
    /// The upstream's certificate is not trusted for this host.
    TlsCertificate = "tls-certificate",
    /// The TLS handshake did not finish.
    TlsHandshake = "tls-handshake",
    /// No response head within the attempt's time.
    AttemptTimeout = "attempt-timeout",
    /// The response head came, its body did not end within the attempt's time.
    BodyTimeout = "body-timeout",
    /// The connection broke before the answer was whole.
    ConnectionReset = "connection-reset",
    /// The answer is not HTTP, or not what its headers say.
    MalformedResponse = "malformed-response",
    /// The answer is larger than this service reads.
    ResponseTooLarge = "response-too-large",
    /// The upstream answered with a status of 400 or above.
    HttpStatus = "http-status",
    /// The upstream answered with a redirect; redirects are not followed.
    RedirectNotFollowed = "redirect-not-followed",
    /// The destination is not called by this deployment.
    DestinationBlocked = "destination-blocked",
    /// The connector's rate limit, or a pause that its upstream asked for, let no (further) attempt go in time.
    RateLimited = "rate-limited",
    /// The connector's circuit breaker is open: its upstream keeps failing.
    CircuitOpen = "circuit-open",
    /// The connector has used up the retries that its successes pay for.
    RetryQuotaExhausted = "retry-quota-exhausted",
    /// The upstream asked to wait longer than the call's deadline leaves.
    RetryAfterTooLong = "retry-after-too-long",
    /// The call's deadline ended it.
    DeadlineExceeded = "deadline-exceeded",
    /// The secret store does not have the referenced secret, or it cannot be used as it is.
    SecretNotFound = "secret-not-found",
    /// The secret store could not be reached.
    SecretUnavailable = "secret-unavailable",
    /// The authorization server gave no access token.
    OauthTokenFailed = "oauth-token-failed",
    /// The connector was disabled or deleted; no (further) attempt was made.
    ConnectorDisabled = "connector-disabled",
    /// The service was shutting down; no further attempt was made.
    Cancelled = "cancelled",
    /// The process that made the call ended, or was stopped for too long, before it could write the outcome.
    OutcomeUnknown = "outcome-unknown",
    /// This service failed; the correlation id leads to its log.
    InternalError = "internal-error",
}

impl ErrorCode {
    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether the same request may well succeed a little later (RT-3, RT-4). For [`Self::HttpStatus`] the status
    /// decides, see [`is_transient_status`].
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::DnsFailure
            | Self::TlsHandshake
            | Self::AttemptTimeout
            | Self::BodyTimeout
            | Self::ConnectionReset
            | Self::RateLimited
            | Self::CircuitOpen
            | Self::RetryQuotaExhausted
            | Self::RetryAfterTooLong
            | Self::DeadlineExceeded
            | Self::SecretUnavailable
            | Self::Cancelled => true,
            Self::DnsNotFound
            | Self::TlsCertificate
            | Self::MalformedResponse
            | Self::ResponseTooLarge
            | Self::HttpStatus
            | Self::RedirectNotFollowed
            | Self::DestinationBlocked
            | Self::SecretNotFound
            | Self::OauthTokenFailed
            | Self::ConnectorDisabled
            | Self::OutcomeUnknown
            | Self::InternalError => false,
        }
    }
}

/// The statuses that RT-3 names transient.
#[must_use]
pub const fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Why a call, or one attempt of it, failed. Its texts are redacted before they get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The closed code.
    pub code: ErrorCode,
    /// One sentence for a person.
    pub message: String,
    /// What else is known: the chain of causes, or the beginning of the upstream's own explanation.
    pub details: Option<String>,
    /// Whether the same call may well succeed later.
    pub retryable: bool,
    /// How long the upstream asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure whose `retryable` follows from its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retryable: code.is_transient(), retry_after: None }
    }

    /// An answer with a status that is no success.
    #[must_use]
    pub fn status(status: u16, retry_after: Option<Duration>) -> Self {
        let (code, message) = match status {
            300..=399 => (ErrorCode::RedirectNotFollowed, format!("the upstream answered with the redirect {status}")),
            _ => (ErrorCode::HttpStatus, format!("the upstream answered {status}")),
        };
        Self { code, message, details: None, retryable: is_transient_status(status), retry_after }
    }

    /// Adds what else is known.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::parse("nonsense"), None);
    }
}
