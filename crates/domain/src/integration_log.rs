//! The record of one integration call: written before its first byte, completed with its outcome.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::connector::Capability;
use crate::correlation::{CorrelationId, TraceId};
use crate::failure::{ErrorCode, Failure};
use crate::id::{ConnectorId, LogId};
use crate::retry::WaitReason;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationType {
    /// Reading from the external system.
    Pull,
    /// Writing to the external system.
    Push,
    /// Trying the way to the external system out, for whoever configures it.
    Test,
}

impl OperationType {
    /// The type as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Test => "test",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pull, Self::Push, Self::Test].into_iter().find(|operation| operation.as_str() == text)
    }

    /// The capability that a connector needs for it; `None` for what no call can be asked for.
    #[must_use]
    pub const fn capability(self) -> Option<Capability> {
        match self {
            Self::Pull => Some(Capability::Pull),
            Self::Push => Some(Capability::Push),
            Self::Test => None,
        }
    }

    /// The method of a call that names none.
    #[must_use]
    pub const fn default_method(self) -> HttpMethod {
        match self {
            Self::Pull | Self::Test => HttpMethod::Get,
            Self::Push => HttpMethod::Post,
        }
    }
}

/// The methods that a call can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the methods of RFC 9110 and RFC 5789")]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
}

impl HttpMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Head];

    /// The method as it goes over the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    /// Reads the wire's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether a request may arrive twice with the effect of one (RFC 9110 §9.2.2).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntegrationStatus {
    /// It was begun; its outcome is not known.
    InProgress,
    /// The upstream answered with a success, whole.
    Success,
    /// It ended otherwise.
    Failed,
    /// The connector was disabled; nothing was sent.
    Skipped,
}

impl IntegrationStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::InProgress, Self::Success, Self::Failed, Self::Skipped];

    /// The status as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What is known before the first byte goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallIntent {
    /// The name of this call.
    pub id: LogId,
    /// Through which connector; `None` for the test of one that is not registered.
    pub connector_id: Option<ConnectorId>,
    /// The connector's name at that time.
    pub connector_name: String,
    /// Under which request.
    pub correlation_id: CorrelationId,
    /// In which trace.
    pub trace_id: TraceId,
    /// What for.
    pub operation_type: OperationType,
    /// With which method.
    pub method: HttpMethod,
    /// To which path below the base URL.
    pub endpoint: String,
    /// Who asked for it.
    pub initiated_by: String,
    /// When it was begun, in UTC with microseconds.
    pub started_at: DateTime<Utc>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// `Success`, `Failed` or `Skipped`.
    pub status: IntegrationStatus,
    /// The status of the last answer.
    pub http_status_code: Option<u16>,
    /// Requests started.
    pub attempt_count: u32,
    /// Why it was no success.
    pub failure: Option<Failure>,
    /// From the beginning to the outcome, by the monotonic clock.
    pub duration: Duration,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
}

/// One call, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationLog {
    /// What was known at its beginning.
    pub intent: CallIntent,
    /// How it ended; `None` while it is `InProgress`.
    pub completion: Option<Completion>,
    /// Requests started so far.
    pub attempt_count: u32,
}

impl IntegrationLog {
    /// How the call stands.
    #[must_use]
    pub fn status(&self) -> IntegrationStatus {
        self.completion.as_ref().map_or(IntegrationStatus::InProgress, |completion| completion.status)
    }

    /// A call that has ended.
    #[must_use]
    pub const fn completed(intent: CallIntent, completion: Completion) -> Self {
        let attempt_count = completion.attempt_count;
        Self { intent, completion: Some(completion), attempt_count }
    }
}

/// One request of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How long it waited before it started.
    pub waited: Duration,
    /// Why it waited.
    pub wait_reason: Option<WaitReason>,
    /// The upstream's status, when it answered.
    pub http_status_code: Option<u16>,
    /// What went wrong, and in one sentence why.
    pub error: Option<(ErrorCode, String)>,
}

/// What was sent or answered, redacted and bounded, for the page of one log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payloads {
    /// The request; see `docs/operations.md` for its members.
    pub request: Option<Value>,
    /// The last answer.
    pub response: Option<Value>,
}

/// Everything that is written at the end of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The call.
    pub call: LogId,
    /// The path as it may be kept: a secret in it was not known when the intent was written.
    pub endpoint: String,
    /// How it ended.
    pub completion: Completion,
    /// The last attempt; those before it are written already.
    pub last_attempt: Option<Attempt>,
    /// What went over the wire.
    pub payloads: Payloads,
}

/// One call with everything that is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegrationLogPage {
    /// The call.
    pub log: IntegrationLog,
    /// Its requests, in order.
    pub attempts: Vec<Attempt>,
    /// What went over the wire.
    pub payloads: Payloads,
}

/// Which calls are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Through this connector.
    pub connector_id: Option<ConnectorId>,
    /// Under this request.
    pub correlation_id: Option<CorrelationId>,
    /// In this state.
    pub status: Option<IntegrationStatus>,
    /// For this purpose; a reader may ask for one that this version does not write.
    pub operation_type: Option<String>,
    /// Begun not before.
    pub from: Option<DateTime<Utc>>,
    /// Begun before.
    pub to: Option<DateTime<Utc>>,
    /// With this status of the last answer.
    pub http_status_code: Option<u16>,
    /// That took at least this long.
    pub min_duration: Option<Duration>,
}

/// In which order calls are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogOrder {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first, as a trace is read.
    OldestFirst,
}

/// Where a list of calls goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// The beginning of the last call shown.
    pub started_at: DateTime<Utc>,
    /// Its name.
    pub id: LogId,
}

impl LogPosition {
    /// The position of a call.
    #[must_use]
    pub const fn of(log: &IntegrationLog) -> Self {
        Self { started_at: log.intent.started_at, id: log.intent.id }
    }
}
