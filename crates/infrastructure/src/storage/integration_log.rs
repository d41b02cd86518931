//! The tables `integration_logs`, `integration_log_attempts` and `integration_log_payloads`.

pub(super) mod query;
mod row;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::access::Scope;
use domain::error::StorageError;
use domain::failure::Failure;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{
    Attempt, CallIntent, Completion, IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition, Payloads,
};
use domain::page::{Page, PageRequest};
use domain::repository::{Begun, IntegrationLogRepository, StorageResult};
use domain::retry::WaitReason;

use self::row::{AttemptRow, LogRow, PayloadsRow};
use super::SqlStorage;
use super::columns::{Id, Json, Milliseconds, Timestamp};
use super::connector::Known;
use super::engine::{Session, execute, fetch};

/// One statement, so that nothing can come between the question and the writing, and one round trip, since every call
/// waits for it.
const BEGIN_CALL: &str = "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, \
     operation_type, http_method, endpoint, started_at, initiated_by, status, attempt_count) \
     SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, 'InProgress', 0 \
     FROM connectors WHERE id = $2 AND status = 'Enabled' AND deleted_at IS NULL";

const SKIP_CALL: &str = "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, \
     operation_type, http_method, endpoint, started_at, initiated_by, status, attempt_count, http_status_code, \
     error_code, error_message, error_details, retryable, retry_after_ms, duration_ms, completed_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";

/// Changes nothing that has already ended: an outcome is written once.
const COMPLETE_CALL: &str = "UPDATE integration_logs SET status = $2, attempt_count = $3, http_status_code = $4, \
     error_code = $5, error_message = $6, error_details = $7, retryable = $8, retry_after_ms = $9, duration_ms = $10, \
     completed_at = $11, endpoint = $12 WHERE id = $1 AND status = 'InProgress'";

const INSERT_ATTEMPT: &str = "INSERT INTO integration_log_attempts (log_id, number, started_at, duration_ms, \
     waited_ms, wait_reason, http_status_code, error_code, error_message) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (log_id, number) DO NOTHING";

const INSERT_PAYLOADS: &str = "INSERT INTO integration_log_payloads (log_id, request_summary, response_summary) \
     VALUES ($1, $2, $3) ON CONFLICT (log_id) DO NOTHING";

#[async_trait]
impl IntegrationLogRepository for SqlStorage {
    async fn begin_call(&self, intent: &CallIntent) -> StorageResult<Begun> {
        let written = execute!(
            &mut self.pool.writer().await?,
            BEGIN_CALL,
            Id(intent.id.as_uuid()),
            Id(intent.connector_id.as_uuid()),
            &intent.connector_name,
            intent.correlation_id.as_str(),
            intent.trace_id.to_string(),
            intent.operation_type.as_str(),
            intent.method.as_str(),
            &intent.endpoint,
            Timestamp(intent.started_at),
            &intent.initiated_by,
        )?;
        Ok(if written == 1 { Begun::InProgress } else { Begun::NotEnabled })
    }

    async fn skip_call(&self, intent: &CallIntent, completion: &Completion) -> StorageResult<()> {
        let failure = completion.failure.as_ref();
        execute!(
            &mut self.pool.writer().await?,
            SKIP_CALL,
            Id(intent.id.as_uuid()),
            Id(intent.connector_id.as_uuid()),
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

    async fn is_enabled_since(
        &self,
        connector: ConnectorId,
        switched_at: Option<DateTime<Utc>>,
    ) -> StorageResult<bool> {
        let sql = "SELECT id FROM connectors WHERE id = $1 AND status = 'Enabled' AND status_changed_at = $2 \
             AND deleted_at IS NULL";
        let switched_at = switched_at.map(Timestamp);
        Ok(!fetch!(&mut self.pool.reader().await?, Known, sql, Id(connector.as_uuid()), switched_at)?.is_empty())
    }

    async fn record_attempt(&self, call: LogId, attempt: &Attempt) -> StorageResult<()> {
        let count = "UPDATE integration_logs SET attempt_count = $2 WHERE id = $1 AND attempt_count < $2";
        let mut transaction = self.pool.transaction().await?;
        insert_attempt(&mut transaction, call, attempt).await?;
        execute!(&mut transaction, count, Id(call.as_uuid()), i64::from(attempt.number))?;
        transaction.commit().await
    }

    async fn complete_call(
        &self,
        call: LogId,
        endpoint: &str,
        completion: &Completion,
        last_attempt: Option<&Attempt>,
        payloads: &Payloads,
    ) -> StorageResult<()> {
        let mut transaction = self.pool.transaction().await?;
        if !complete(&mut transaction, call, endpoint, completion).await? {
            return must_exist(&mut transaction, call).await;
        }
        if let Some(attempt) = last_attempt {
            insert_attempt(&mut transaction, call, attempt).await?;
        }
        if payloads.request.is_some() || payloads.response.is_some() {
            let request = payloads.request.clone().map(Json);
            let response = payloads.response.clone().map(Json);
            execute!(&mut transaction, INSERT_PAYLOADS, Id(call.as_uuid()), request, response)?;
        }
        transaction.commit().await
    }

    async fn find_log(&self, id: LogId) -> StorageResult<Option<IntegrationLogPage>> {
        let mut reader = self.pool.reader().await?;
        let found = fetch!(&mut reader, LogRow, row::FIND, Id(id.as_uuid()))?;
        let Some(log) = found.into_iter().next() else { return Ok(None) };
        let attempts = fetch!(&mut reader, AttemptRow, row::ATTEMPTS, Id(id.as_uuid()))?;
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

/// Writes the outcome; false when there is no such call in progress.
async fn complete(
    transaction: &mut Session,
    call: LogId,
    endpoint: &str,
    completion: &Completion,
) -> StorageResult<bool> {
    let failure = completion.failure.as_ref();
    let touched = execute!(
        transaction,
        COMPLETE_CALL,
        Id(call.as_uuid()),
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
        endpoint,
    )?;
    Ok(touched == 1)
}

/// An outcome that is written a second time finds its call; one of a call that was never begun is a mistake.
async fn must_exist(transaction: &mut Session, call: LogId) -> StorageResult<()> {
    if fetch!(transaction, LogRow, row::FIND, Id(call.as_uuid()))?.is_empty() {
        return Err(StorageError::unreadable(format!("integration_logs has no row {call} to complete")));
    }
    Ok(())
}

async fn insert_attempt(transaction: &mut Session, call: LogId, attempt: &Attempt) -> StorageResult<()> {
    execute!(
        transaction,
        INSERT_ATTEMPT,
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

fn details(failure: Option<&Failure>) -> Option<&str> {
    failure.and_then(|failure| failure.details.as_deref())
}

fn retry_after(failure: Option<&Failure>) -> Option<Milliseconds> {
    failure.and_then(|failure| failure.retry_after).map(Milliseconds)
}
