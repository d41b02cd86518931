//! A group on `SQLite`: one transaction, and so one write to the disk for all of it.

use std::collections::HashMap;

use domain::id::{ConnectorId, LogId};
use domain::integration_log::{Attempt, CallIntent, Outcome};
use domain::lease::Premise;
use domain::repository::StorageResult;

use super::entry::{Entry, Write};
use super::group::{Broken, Kept, Written};
use crate::storage::columns::{Id, Json, Milliseconds, Timestamp};
use crate::storage::connector::Known;
use crate::storage::engine::{Pool, Session, execute, fetch};
use crate::storage::integration_log::{insert_attempt, skip};

macro_rules! held {
    ($lease:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM leases WHERE leases.id = ",
            $lease,
            " AND valid_until_ms > CAST(unixepoch('subsec') * 1000 AS INTEGER))"
        )
    };
}

const BEGIN_CALL: &str = concat!(
    "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type, \
     http_method, endpoint, started_at, initiated_by, lease_id, status, attempt_count) \
     SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'InProgress', 0 FROM connectors \
     WHERE id = $2 AND version = $12 AND status = 'Enabled' AND deleted_at IS NULL AND ",
    held!("$11"),
    " ON CONFLICT (id) DO NOTHING"
);

/// A test is made in whatever state its connector is, or without one.
const BEGIN_TEST: &str = concat!(
    "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type, \
     http_method, endpoint, started_at, initiated_by, lease_id, status, attempt_count) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'InProgress', 0 WHERE $12 IS NULL AND ",
    held!("$11"),
    " ON CONFLICT (id) DO NOTHING"
);

const COUNT_ATTEMPT: &str = concat!(
    "UPDATE integration_logs SET attempt_count = max(attempt_count, $2) WHERE id = $1 AND status = 'InProgress' AND ",
    held!("integration_logs.lease_id")
);

const COMPLETE_CALL: &str = concat!(
    "UPDATE integration_logs SET status = $2, attempt_count = $3, http_status_code = $4, error_code = $5, \
     error_message = $6, error_details = $7, retryable = $8, retry_after_ms = $9, duration_ms = $10, \
     completed_at = $11, endpoint = $12 WHERE id = $1 AND status = 'InProgress' AND ",
    held!("integration_logs.lease_id")
);

const INSERT_PAYLOADS: &str = "INSERT INTO integration_log_payloads (log_id, request_summary, response_summary) \
     VALUES ($1, $2, $3) ON CONFLICT (log_id) DO NOTHING";

/// Nothing was sent for it: its caller was told that it failed.
const TAKE_AWAY: &str = "DELETE FROM integration_logs WHERE id = $1 AND status = 'InProgress'";

pub(super) async fn write(pool: &Pool, group: &[Entry], doubtful: &[LogId]) -> Result<Written, Broken> {
    let mut transaction = pool.transaction().await.map_err(Broken::Away)?;
    match write_all(&mut transaction, group, doubtful).await {
        Ok(written) => transaction.commit().await.map(|()| written).map_err(Broken::of),
        Err(error) => Err(Broken::of(error)),
    }
}

async fn write_all(transaction: &mut Session, group: &[Entry], doubtful: &[LogId]) -> StorageResult<Written> {
    for id in doubtful.iter().filter(|id| group.iter().all(|entry| entry.write.call() != **id)) {
        execute!(transaction, TAKE_AWAY, Id(id.as_uuid()))?;
    }
    let mut written = HashMap::new();
    for Entry { write, .. } in group {
        if let Some(kept) = write_one(transaction, write).await? {
            written.insert(write.call().as_uuid(), kept);
        }
    }
    Ok(Written(written))
}

/// One write; `None` when it is refused.
pub(super) async fn write_one(transaction: &mut Session, write: &Write) -> StorageResult<Option<Kept>> {
    let kept = match write {
        Write::Begin { intent, premise } => begin(transaction, intent, premise).await?,
        Write::Skip(ended) => skip(transaction, &ended.0, &ended.1).await.map(|()| true)?,
        Write::Attempt { call, attempt } => count_attempt(transaction, *call, attempt).await?,
        Write::Complete(outcome) => complete(transaction, outcome).await?,
    };
    let paused = match write {
        Write::Begin { intent, .. } if kept => is_paused(transaction, intent.connector_id).await?,
        _ => false,
    };
    Ok(kept.then_some(Kept { paused }))
}

async fn is_paused(transaction: &mut Session, connector: Option<ConnectorId>) -> StorageResult<bool> {
    let Some(connector) = connector else { return Ok(false) };
    let sql = "SELECT connector_id AS id FROM paused_connectors WHERE connector_id = $1";
    Ok(!fetch!(transaction, Known, sql, Id(connector.as_uuid()))?.is_empty())
}

async fn begin(transaction: &mut Session, intent: &CallIntent, premise: &Premise) -> StorageResult<bool> {
    let written = execute!(
        transaction,
        if premise.connector_version.is_some() { BEGIN_CALL } else { BEGIN_TEST },
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
        Id(premise.lease.as_uuid()),
        premise.connector_version,
    )?;
    Ok(written == 1)
}

async fn count_attempt(transaction: &mut Session, call: LogId, attempt: &Attempt) -> StorageResult<bool> {
    let counted = execute!(transaction, COUNT_ATTEMPT, Id(call.as_uuid()), i64::from(attempt.number))? == 1;
    if counted {
        insert_attempt(transaction, call, attempt).await?;
    }
    Ok(counted)
}

async fn complete(transaction: &mut Session, outcome: &Outcome) -> StorageResult<bool> {
    let completion = &outcome.completion;
    let failure = completion.failure.as_ref();
    let ended = execute!(
        transaction,
        COMPLETE_CALL,
        Id(outcome.call.as_uuid()),
        completion.status.as_str(),
        i64::from(completion.attempt_count),
        completion.http_status_code.map(i32::from),
        failure.map(|failure| failure.code.as_str()),
        failure.map(|failure| &failure.message),
        failure.and_then(|failure| failure.details.as_deref()),
        failure.map(|failure| failure.retryable),
        failure.and_then(|failure| failure.retry_after).map(Milliseconds),
        Milliseconds(completion.duration),
        Timestamp(completion.completed_at),
        &outcome.endpoint,
    )? == 1;
    if !ended {
        return Ok(false);
    }
    if let Some(attempt) = &outcome.last_attempt {
        insert_attempt(transaction, outcome.call, attempt).await?;
    }
    if outcome.payloads.request.is_some() || outcome.payloads.response.is_some() {
        let request = outcome.payloads.request.clone().map(Json);
        let response = outcome.payloads.response.clone().map(Json);
        execute!(transaction, INSERT_PAYLOADS, Id(outcome.call.as_uuid()), request, response)?;
    }
    Ok(true)
}
