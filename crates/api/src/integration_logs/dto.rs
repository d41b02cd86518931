//! Integration logs as the contract writes them.

use domain::integration_log::{Attempt, IntegrationLog, IntegrationLogPage};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{milliseconds, moment};

/// Which calls are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what the controller reads parameter by parameter")]
pub(super) struct LogParameters {
    /// `InProgress`, `Success`, `Failed` or `Skipped`
    status: Option<String>,
    /// `pull`, `push` or `test`
    #[param(rename = "operationType", min_length = 1, max_length = 500)]
    operation_type: Option<String>,
    /// Begun at or after this time (RFC 3339)
    #[param(format = DateTime)]
    from: Option<String>,
    /// Begun before this time (RFC 3339)
    #[param(format = DateTime)]
    to: Option<String>,
    /// The status of the last answer
    #[param(rename = "httpStatusCode", minimum = 100, maximum = 599)]
    http_status_code: Option<u16>,
    /// Took at least this long
    #[param(rename = "minDurationMs", minimum = 0, maximum = 86_400_000)]
    min_duration_ms: Option<u64>,
}

/// One integration call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntegrationLog)]
pub(crate) struct IntegrationLogDto {
    /// `UUIDv7`.
    #[schema(format = Uuid)]
    id: String,
    /// Through which connector; null for the test of one that is not registered.
    #[schema(required, format = Uuid)]
    connector_id: Option<String>,
    /// The connector's name at that time.
    #[schema(example = "Company HR System")]
    connector_name: String,
    /// Under which request.
    #[schema(example = "corr-12345")]
    correlation_id: String,
    /// The W3C trace id.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: String,
    /// The background job that made the call; null for a call that somebody waited for.
    #[schema(required)]
    job_id: Option<String>,
    /// `pull`, `push` or `test`; readers tolerate new values.
    #[schema(example = "pull")]
    operation_type: &'static str,
    /// `InProgress`, `Success`, `Failed` or `Skipped`.
    #[schema(example = "Success")]
    status: &'static str,
    /// The method.
    #[schema(example = "GET")]
    http_method: &'static str,
    /// The path below the connector's base URL.
    #[schema(example = "/employees")]
    endpoint: String,
    /// The status of the last answer.
    #[schema(required, example = 200)]
    http_status_code: Option<u16>,
    /// Retries made; 0 when the first attempt was the last.
    retry_attempts: u32,
    /// Attempts started; 0 when the call was skipped.
    attempt_count: u32,
    /// Why it was no success, from the closed list of `docs/errors.md`.
    #[schema(required, example = "http-status")]
    error_code: Option<&'static str>,
    /// The same in one sentence.
    #[schema(required)]
    error_message: Option<String>,
    /// The upstream's own explanation or the chain of causes, sanitised.
    #[schema(required)]
    error_details: Option<String>,
    /// Whether the same call may well succeed later; null without an error.
    #[schema(required)]
    retryable: Option<bool>,
    /// How long the upstream asked to wait.
    #[schema(required)]
    retry_after_seconds: Option<u64>,
    /// From the beginning to the outcome; null while it is in progress.
    #[schema(required, example = 184)]
    duration_ms: Option<u64>,
    /// The beginning.
    #[schema(format = DateTime)]
    started_at: String,
    /// The outcome; null while it is in progress.
    #[schema(required, format = DateTime)]
    completed_at: Option<String>,
    /// Who asked for the call.
    #[schema(example = "ana")]
    initiated_by: String,
}

impl From<IntegrationLog> for IntegrationLogDto {
    fn from(log: IntegrationLog) -> Self {
        let status = log.status().as_str();
        let IntegrationLog { intent, completion, attempt_count } = log;
        let failure = completion.as_ref().and_then(|completion| completion.failure.as_ref());
        Self {
            id: intent.id.to_string(),
            connector_id: intent.connector_id.map(|id| id.to_string()),
            connector_name: intent.connector_name,
            correlation_id: intent.correlation_id.to_string(),
            trace_id: intent.trace_id.to_string(),
            job_id: None,
            operation_type: intent.operation_type.as_str(),
            status,
            http_method: intent.method.as_str(),
            endpoint: intent.endpoint,
            http_status_code: completion.as_ref().and_then(|completion| completion.http_status_code),
            retry_attempts: attempt_count.saturating_sub(1),
            attempt_count,
            error_code: failure.map(|failure| failure.code.as_str()),
            error_message: failure.map(|failure| failure.message.clone()),
            error_details: failure.and_then(|failure| failure.details.clone()),
            retryable: failure.map(|failure| failure.retryable),
            retry_after_seconds: failure
                .and_then(|failure| failure.retry_after)
                .map(|wait| milliseconds(wait).div_ceil(1_000)),
            duration_ms: completion.as_ref().map(|completion| milliseconds(completion.duration)),
            started_at: moment(intent.started_at),
            completed_at: completion.as_ref().map(|completion| moment(completion.completed_at)),
            initiated_by: intent.initiated_by,
        }
    }
}

/// One integration call with its attempts and what is kept of its bodies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IntegrationLogPage)]
pub(crate) struct IntegrationLogPageDto {
    /// The call.
    #[serde(flatten)]
    log: IntegrationLogDto,
    /// Its attempts, in order.
    attempts: Vec<AttemptDto>,
    /// The request: `url`, `headers`, `headersTruncated`, `body`, `bodyBytes`, `bodyTruncated`; redacted, the body up to 16 KiB.
    #[schema(required, value_type = Option<Object>)]
    request_summary: Option<Value>,
    /// The last answer: `statusCode`, `headers`, `headersTruncated`, `body`, `bodyBytes`, `bodySha256`, `bodyTruncated`; redacted, the body
    /// up to 16 KiB.
    #[schema(required, value_type = Option<Object>)]
    response_summary: Option<Value>,
}

/// One request of a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
pub(crate) struct AttemptDto {
    /// From 1.
    number: u32,
    /// When it started.
    #[schema(format = DateTime)]
    started_at: String,
    /// How long it took.
    duration_ms: u64,
    /// How long it waited before it started.
    waited_ms: u64,
    /// `backoff`, `throttled` or `retry-after`; null for the first.
    #[schema(required)]
    wait_reason: Option<&'static str>,
    /// The upstream's status, when it answered.
    #[schema(required)]
    http_status_code: Option<u16>,
    /// What went wrong.
    #[schema(required)]
    error_code: Option<&'static str>,
    /// The same in one sentence.
    #[schema(required)]
    error_message: Option<String>,
}

impl From<Attempt> for AttemptDto {
    fn from(attempt: Attempt) -> Self {
        let (error_code, error_message) = attempt.error.map(|(code, message)| (code.as_str(), message)).unzip();
        Self {
            number: attempt.number,
            started_at: moment(attempt.started_at),
            duration_ms: milliseconds(attempt.duration),
            waited_ms: milliseconds(attempt.waited),
            wait_reason: attempt.wait_reason.map(domain::retry::WaitReason::as_str),
            http_status_code: attempt.http_status_code,
            error_code,
            error_message,
        }
    }
}

impl From<IntegrationLogPage> for IntegrationLogPageDto {
    fn from(page: IntegrationLogPage) -> Self {
        Self {
            log: page.log.into(),
            attempts: page.attempts.into_iter().map(AttemptDto::from).collect(),
            request_summary: page.payloads.request,
            response_summary: page.payloads.response,
        }
    }
}
