//! Rows of calls, and how they are read.

use domain::correlation::{CorrelationId, TraceId};
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{
    Attempt, CallIntent, Completion, HttpMethod, IntegrationLog, IntegrationStatus, OperationType, Payloads,
};
use domain::retry::WaitReason;
use sqlx::FromRow;

use crate::storage::columns::{Id, Json, Milliseconds, Timestamp};
use crate::storage::rows::{Stored, Unreadable, known};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, connector_id, connector_name, correlation_id, trace_id, operation_type, status, http_method, \
             endpoint, http_status_code, attempt_count, error_code, error_message, error_details, retryable, \
             retry_after_ms, duration_ms, started_at, completed_at, initiated_by FROM integration_logs",
            $rest
        )
    };
}

pub(super) const SELECT: &str = select!("");

pub(super) const FIND: &str = select!(" WHERE id = $1");

pub(super) const ATTEMPTS: &str = "SELECT log_id, number, started_at, duration_ms, waited_ms, wait_reason, \
     http_status_code, error_code, error_message FROM integration_log_attempts WHERE log_id = $1 ORDER BY number";

pub(super) const PAYLOADS: &str =
    "SELECT log_id, request_summary, response_summary FROM integration_log_payloads WHERE log_id = $1";

#[derive(FromRow)]
pub(super) struct LogRow {
    id: Id,
    connector_id: Option<Id>,
    connector_name: String,
    correlation_id: String,
    trace_id: String,
    operation_type: String,
    status: String,
    http_method: String,
    endpoint: String,
    http_status_code: Option<i32>,
    attempt_count: i32,
    error_code: Option<String>,
    error_message: Option<String>,
    error_details: Option<String>,
    retryable: Option<bool>,
    retry_after_ms: Option<Milliseconds>,
    duration_ms: Option<Milliseconds>,
    started_at: Timestamp,
    completed_at: Option<Timestamp>,
    initiated_by: String,
}

impl LogRow {
    fn failure(&self) -> Result<Option<Failure>, Unreadable> {
        let (Some(code), Some(message)) = (&self.error_code, &self.error_message) else { return Ok(None) };
        Ok(Some(Failure {
            code: known(ErrorCode::parse(code), "error_code")?,
            message: message.clone(),
            details: self.error_details.clone(),
            retryable: self.retryable.unwrap_or_default(),
            retry_after: self.retry_after_ms.map(|column| column.0),
        }))
    }

    fn completion(&self, attempt_count: u32) -> Result<Option<Completion>, Unreadable> {
        let (Some(duration), Some(completed_at)) = (self.duration_ms, self.completed_at) else { return Ok(None) };
        Ok(Some(Completion {
            status: known(IntegrationStatus::parse(&self.status), "status")?,
            http_status_code: self.http_status_code.map(u16::try_from).transpose()?,
            attempt_count,
            failure: self.failure()?,
            duration: duration.0,
            completed_at: completed_at.0,
        }))
    }
}

impl TryFrom<LogRow> for IntegrationLog {
    type Error = Unreadable;

    fn try_from(row: LogRow) -> Result<Self, Unreadable> {
        let attempt_count = row.attempt_count.try_into()?;
        Ok(Self {
            completion: row.completion(attempt_count)?,
            attempt_count,
            intent: CallIntent {
                id: LogId::new(row.id.0),
                connector_id: row.connector_id.map(|column| ConnectorId::new(column.0)),
                connector_name: row.connector_name,
                correlation_id: known(CorrelationId::parse(&row.correlation_id), "correlation_id")?,
                trace_id: known(TraceId::parse(&row.trace_id), "trace_id")?,
                operation_type: known(OperationType::parse(&row.operation_type), "operation_type")?,
                method: known(HttpMethod::parse(&row.http_method), "http_method")?,
                endpoint: row.endpoint,
                initiated_by: row.initiated_by,
                started_at: row.started_at.0,
            },
        })
    }
}

impl Stored for LogRow {
    type Domain = IntegrationLog;

    const TABLE: &'static str = "integration_logs";
    const KEY: &'static str = "id";

    fn read(self) -> Result<IntegrationLog, Unreadable> {
        self.try_into()
    }
}

#[derive(FromRow)]
pub(super) struct AttemptRow {
    number: i32,
    started_at: Timestamp,
    duration_ms: Milliseconds,
    waited_ms: Milliseconds,
    wait_reason: Option<String>,
    http_status_code: Option<i32>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = Unreadable;

    fn try_from(row: AttemptRow) -> Result<Self, Unreadable> {
        let wait_reason = row.wait_reason.map(|reason| known(WaitReason::parse(&reason), "wait_reason"));
        let error = row.error_code.zip(row.error_message);
        let error =
            error.map(|(code, message)| Ok::<_, Unreadable>((known(ErrorCode::parse(&code), "error_code")?, message)));
        Ok(Self {
            number: row.number.try_into()?,
            started_at: row.started_at.0,
            duration: row.duration_ms.0,
            waited: row.waited_ms.0,
            wait_reason: wait_reason.transpose()?,
            http_status_code: row.http_status_code.map(u16::try_from).transpose()?,
            error: error.transpose()?,
        })
    }
}

impl Stored for AttemptRow {
    type Domain = Attempt;

    const TABLE: &'static str = "integration_log_attempts";
    const KEY: &'static str = "log_id";

    fn read(self) -> Result<Attempt, Unreadable> {
        self.try_into()
    }
}

#[derive(FromRow)]
pub(super) struct PayloadsRow {
    request_summary: Option<Json>,
    response_summary: Option<Json>,
}

impl Stored for PayloadsRow {
    type Domain = Payloads;

    const TABLE: &'static str = "integration_log_payloads";
    const KEY: &'static str = "log_id";

    fn read(self) -> Result<Payloads, Unreadable> {
        Ok(Payloads {
            request: self.request_summary.map(|json| json.0),
            response: self.response_summary.map(|json| json.0),
        })
    }
}
