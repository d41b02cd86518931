//! The ports that are not persistence: time, chance, secrets, tokens, and the execution of calls.

mod access_tokens;
mod connection_probe;
mod meter;
mod token_verifier;

use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::correlation::{CorrelationId, TraceContext, TraceId};
use domain::failure::Failure;
use domain::integration_log::{Attempt, HttpMethod};
use domain::retry::{RetryPolicy, WaitReason};
use domain::secret_ref::SecretRef;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

pub use self::access_tokens::{AccessToken, AccessTokens, TokenRefused, TokenRequest};
pub use self::connection_probe::{ConnectionProbe, Leg, ProbeReport};
pub use self::meter::{Meter, Unmetered};
pub use self::token_verifier::{TokenFault, TokenRejected, TokenVerifier, VerifiedToken};

/// Wall-clock time. Durations are measured with [`Instant`], which does not jump.
pub trait Clock: Send + Sync {
    /// Now, in UTC with microseconds: what every store keeps.
    fn now(&self) -> DateTime<Utc>;
}

/// Everything that is minted.
pub trait Ids: Send + Sync {
    /// A `UUIDv7`.
    fn uuid(&self) -> Uuid;
    /// A random W3C trace id.
    fn trace_id(&self) -> TraceId;
    /// A random W3C parent id.
    fn parent_id(&self) -> NonZeroU64;
    /// 256 random bits from the operating system, for an API key.
    fn key_material(&self) -> [u8; 32];
}

/// Why a secret could not be had. The texts never contain a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No store of that name is configured.
    #[error("no secret store of that name is configured; configured are: {}", configured.join(", "))]
    UnknownStore {
        /// The names that are.
        configured: Vec<String>,
    },
    /// The store does not have it, or has it in a form that the reference does not fit.
    #[error("{0}")]
    NotFound(String),
    /// The store could not be reached or failed.
    #[error("{0}")]
    Unavailable(String),
}

/// Looks secrets up by reference.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The current value.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError>;

    /// The current value, for a caller whose upstream has refused `stale`: not from a cache that still holds `stale`
    /// (RT-12). It may be `stale` all the same, when the store has nothing newer.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn renew(&self, reference: &SecretRef, _stale: &SecretString) -> Result<SecretString, SecretError> {
        self.resolve(reference).await
    }
}

/// What proves the connector to its upstream, ready to send.
#[derive(Debug)]
pub enum Credential {
    /// Nothing.
    None,
    /// A request header with a secret value.
    Header(String, SecretString),
    /// A query parameter with a secret value.
    Query(String, SecretString),
}

/// Everything that the attempts of one call have in common.
#[derive(Debug)]
pub struct CallPlan {
    /// The method.
    pub method: HttpMethod,
    /// The URL with its query, without credentials.
    pub url: Url,
    /// The call's own headers.
    pub headers: Vec<(String, String)>,
    /// The body as it goes out, JSON.
    pub body: Option<Vec<u8>>,
    /// The proof.
    pub credential: Credential,
    /// The header and the key that make a repetition harmless, where the upstream honours one; the same for all
    /// attempts of the call, another for every call.
    pub idempotency_key: Option<(String, String)>,
    /// Sent as `X-Correlation-ID`.
    pub correlation_id: CorrelationId,
    /// Sent as `traceparent` (with a parent id of its own per attempt) and `tracestate`.
    pub trace: TraceContext,
    /// When to try again.
    pub retry: RetryPolicy,
    /// The longest time for one attempt.
    pub attempt_timeout: Duration,
    /// The end of the call, whatever it is doing.
    pub deadline: Instant,
}

impl CallPlan {
    /// Whether the request may arrive twice (RT-5).
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() || self.idempotency_key.is_some()
    }

    /// Whether retry `retry` (1 is the first) is one that the policy and the method allow at all.
    #[must_use]
    pub const fn may_repeat(&self, retry: u32) -> bool {
        self.is_repeatable() && retry <= self.retry.max_retry_attempts
    }
}

/// What the upstream answered, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamResponse {
    /// The status.
    pub status: u16,
    /// The headers in order, names in lower case; a value that is not text is shown lossily.
    pub headers: Vec<(String, String)>,
    /// The body after decompression.
    pub body: Vec<u8>,
}

/// How the attempts of a call ended. Not redacted: the service redacts before anything leaves it.
#[derive(Debug)]
pub struct CallReport {
    /// The answer of the last attempt, if it came whole; of a status that is no success, also what could be read of it.
    pub response: Option<UpstreamResponse>,
    /// The status of the last attempt, also where its answer did not come whole.
    pub status: Option<u16>,
    /// Why the call is no success; `None` for a success.
    pub failure: Option<Failure>,
    /// Requests started.
    pub attempts: u32,
}

/// Runs the attempts of a call with back-off between them. It sends what the plan says and nothing else: no redirects,
/// no proxies, no retries of its own.
#[async_trait]
pub trait CallExecutor: Send + Sync {
    /// Runs the call to its end, asking `gate` before and telling it after every attempt.
    async fn run(&self, plan: &CallPlan, gate: &dyn AttemptGate) -> CallReport;
}

/// How an attempt came to be let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// How long it waited at the gate.
    pub waited: Duration,
    /// What for; `None` when it did not wait.
    pub reason: Option<WaitReason>,
}

/// What the service wants to know and decide about each attempt (RT-10, RT-11).
#[async_trait]
pub trait AttemptGate: Send + Sync {
    /// Asked right before attempt `number` (from 1). It may wait: for a slot of the rate limit, or for the end of a pause.
    ///
    /// # Errors
    /// Why the call ends here, without this attempt.
    async fn before(&self, number: u32) -> Result<Passed, Failure>;

    /// Told right after an attempt, with its failure where it is no success. With `retrying` another one is planned,
    /// and the attempt is durable when this returns.
    ///
    /// # Errors
    /// Why the call ends here, without another attempt.
    async fn after(&self, attempt: Attempt, failure: Option<&Failure>, retrying: bool) -> Result<(), Failure>;

    /// Asked after a 401 that may be repeated: a credential other than the one that was refused, if the store or the
    /// token endpoint has one now (RT-12).
    async fn renewed_credential(&self) -> Option<Credential>;

    /// Returns when waiting has become pointless, with the reason; otherwise never.
    async fn interrupted(&self) -> Failure;
}
