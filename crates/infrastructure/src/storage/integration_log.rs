//! The tables `integration_logs`, `integration_log_attempts` and `integration_log_payloads`.

pub(super) mod query;
mod row;

use async_trait::async_trait;
use domain::access::Scope;
use domain::failure::Failure;
use domain::id::LogId;
use domain::integration_log::{
    Attempt, CallIntent, Completion, IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition,
};
use domain::page::{Page, PageRequest};
use domain::repository::{IntegrationLogRepository, StorageResult};
use domain::retry::WaitReason;

use self::row::{AttemptRow, LogRow, PayloadsRow};
use super::SqlStorage;
use super::columns::{Id, Milliseconds, Timestamp};
use super::engine::{Session, execute, fetch};

const SKIP_CALL: &str = "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, \
     operation_type, http_method, endpoint, started_at, initiated_by, status, attempt_count, http_status_code, \
     error_code, error_message, error_details, retryable, retry_after_ms, duration_ms, completed_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";

#[async_trait]
impl IntegrationLogRepository for SqlStorage {
    async fn find_log(&self, id: LogId) -> StorageResult<Option<IntegrationLogPage>> {
        let mut reader = self.pool.reader().await?;
        let found = fetch!(&mut reader, LogRow, row::FIND, Id(id.as_uuid()))?;
        let Some(log) = found.into_iter().next() else { return Ok(None) };
        let attempts = attempts_of(&mut reader, id).await?;
        let payloads = fetch!(&mut reader, PayloadsRow, row::PAYLOADS, Id(id.as_uuid()))?;
        Ok(Some(IntegrationLogPage { log, attempts, payloads: payloads.into_iter().next().unwrap_or_default() }))
    }

    async fn list_logs(
        &self,
        filter: &LogFilter,
        scope: &Scope,
        order: LogOrder,
        page: &PageRequest<LogPosition>,
    ) -> StorageResult<Page<IntegrationLog, LogPosition>> {
        let found = match query::page(filter, scope, order, page) {
            Some((sql, values)) => fetch!(&mut self.pool.reader().await?, LogRow, sql; values)?,
            None => Vec::new(),
        };
        Ok(Page::of(found, page.size, LogPosition::of))
    }
}

/// Writes a call that was skipped.
pub(super) async fn skip(session: &mut Session, intent: &CallIntent, completion: &Completion) -> StorageResult<()> {
    let failure = completion.failure.as_ref();
    execute!(
        session,
        SKIP_CALL,
        Id(intent.id.as_uuid()),
        intent.connector_id.map(|id| Id(id.as_uuid())),
        &intent.connector_name,
        intent.correlation_id.as_str(),
        intent.trace_id.to_string(),
        intent.operation_type.as_str(),
        intent.method.as_str(),
        &intent.endpoint,
        Timestamp(intent.started_at),
        &intent.initiated_by,
        completion.status.as_str(),
        i64::from(completion.attempt_count),
        completion.http_status_code.map(i32::from),
        failure.map(|failure| failure.code.as_str()),
        failure.map(|failure| &failure.message),
        details(failure),
        failure.map(|failure| failure.retryable),
        retry_after(failure),
        Milliseconds(completion.duration),
        Timestamp(completion.completed_at),
    )?;
    Ok(())
}

/// Writes an attempt; one of the same number stays.
pub(super) async fn insert_attempt(transaction: &mut Session, call: LogId, attempt: &Attempt) -> StorageResult<()> {
    let sql = "INSERT INTO integration_log_attempts (log_id, number, started_at, duration_ms, waited_ms, wait_reason, \
         http_status_code, error_code, error_message) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (log_id, number) DO NOTHING";
    execute!(
        transaction,
        sql,
        Id(call.as_uuid()),
        i64::from(attempt.number),
        Timestamp(attempt.started_at),
        Milliseconds(attempt.duration),
        Milliseconds(attempt.waited),
        attempt.wait_reason.map(WaitReason::as_str),
        attempt.http_status_code.map(i32::from),
        attempt.error.as_ref().map(|(code, _)| code.as_str()),
        attempt.error.as_ref().map(|(_, message)| message),
    )?;
    Ok(())
}

/// The attempts of a call, in order.
pub(super) async fn attempts_of(session: &mut Session, call: LogId) -> StorageResult<Vec<Attempt>> {
    fetch!(session, AttemptRow, row::ATTEMPTS, Id(call.as_uuid()))
}

fn details(failure: Option<&Failure>) -> Option<&str> {
    failure.and_then(|failure| failure.details.as_deref())
}

fn retry_after(failure: Option<&Failure>) -> Option<Milliseconds> {
    failure.and_then(|failure| failure.retry_after).map(Milliseconds)
}
