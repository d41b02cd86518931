//! The table `leases`, and the calls of those that have lapsed.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LeaseId, LogId};
use domain::integration_log::{Attempt, IntegrationStatus};
use domain::lease::{LEASE, Orphan, abandoned_before};
use domain::repository::{Leases, StorageResult};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Id, Milliseconds, Timestamp};
use super::engine::{Session, execute, fetch};
use super::integration_log::{attempts_of, insert_attempt};
use super::rows::{Stored, Unreadable};

/// A statement that reads the clock of the store, in milliseconds since 1970, as each engine has it.
macro_rules! by_clock {
    ($session:expr, $before:literal, $after:literal) => {
        if $session.is_postgres() {
            concat!($before, "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", $after)
        } else {
            concat!($before, "CAST(unixepoch('subsec') * 1000 AS INTEGER)", $after)
        }
    };
}

/// Lapsed leases are kept for so long, for people who look.
const MEMORY: Duration = Duration::from_hours(1);

#[async_trait]
impl Leases for SqlStorage {
    async fn open_lease(&self, lease: LeaseId) -> StorageResult<()> {
        let mut writer = self.pool.writer().await?;
        let sql = by_clock!(writer, "INSERT INTO leases (id, valid_until_ms) VALUES ($1, $2 + ", ")");
        execute!(&mut writer, sql, Id(lease.as_uuid()), Milliseconds(LEASE))?;
        Ok(())
    }

    async fn extend_lease(&self, lease: LeaseId) -> StorageResult<bool> {
        let mut writer = self.pool.writer().await?;
        let sql = if writer.is_postgres() {
            "UPDATE leases SET valid_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2 \
             WHERE id = $1 AND valid_until_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
        } else {
            "UPDATE leases SET valid_until_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER) + $2 \
             WHERE id = $1 AND valid_until_ms > CAST(unixepoch('subsec') * 1000 AS INTEGER)"
        };
        Ok(execute!(&mut writer, sql, Id(lease.as_uuid()), Milliseconds(LEASE))? == 1)
    }

    async fn release_lease(&self, lease: LeaseId) -> StorageResult<()> {
        let mut writer = self.pool.writer().await?;
        let sql = by_clock!(writer, "UPDATE leases SET valid_until_ms = ", " WHERE id = $1");
        execute!(&mut writer, sql, Id(lease.as_uuid()))?;
        Ok(())
    }

    async fn disown_call(&self, call: LogId) -> StorageResult<()> {
        let sql = "UPDATE integration_logs SET lease_id = NULL WHERE id = $1 AND status = 'InProgress'";
        execute!(&mut self.pool.writer().await?, sql, Id(call.as_uuid()))?;
        Ok(())
    }

    async fn recover_orphans(&self, at: DateTime<Utc>, batch: u32) -> StorageResult<Vec<Orphan>> {
        // Most of the time there are none, and nothing has to be locked to see that.
        let mut reader = self.pool.reader().await?;
        let sql = by_clock!(
            reader,
            "SELECT id, connector_id, correlation_id, started_at, attempt_count FROM integration_logs \
             WHERE status = 'InProgress' AND (started_at < $1 OR NOT EXISTS (SELECT 1 FROM leases \
             WHERE leases.id = integration_logs.lease_id AND valid_until_ms > ",
            ")) ORDER BY started_at, id LIMIT $2"
        );
        let abandoned = Timestamp(abandoned_before(at));
        let found = fetch!(&mut reader, OrphanRow, sql, abandoned, i64::from(batch))?;
        drop(reader);
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut recovered = Vec::new();
        let mut transaction = self.pool.transaction().await?;
        for orphan in found {
            if end(&mut transaction, &orphan, at).await? {
                recovered.push(orphan.orphan);
            }
        }
        let sql = by_clock!(transaction, "DELETE FROM leases WHERE valid_until_ms + $1 < ", "");
        execute!(&mut transaction, sql, Milliseconds(MEMORY))?;
        transaction.commit().await?;
        Ok(recovered)
    }
}

/// Ends a call as unknown; false when another replica has done it.
async fn end(transaction: &mut Session, found: &Found, at: DateTime<Utc>) -> StorageResult<bool> {
    let call = found.orphan.id;
    let ended_at = at.max(found.started_at);
    let number = found.attempt_count + 1;
    let failure = Failure::new(
        ErrorCode::OutcomeUnknown,
        "the process that made the call ended, was stopped or failed before it wrote the outcome; whether the request \
         arrived, and how it ended, is unknown",
    );
    let sql = by_clock!(
        transaction,
        "UPDATE integration_logs SET status = $2, attempt_count = $3, error_code = $4, error_message = $5, \
         retryable = $6, duration_ms = $7, completed_at = $8 WHERE id = $1 AND status = 'InProgress' \
         AND (started_at < $9 OR NOT EXISTS (SELECT 1 FROM leases WHERE leases.id = integration_logs.lease_id \
         AND valid_until_ms > ",
        "))"
    );
    let ended = execute!(
        transaction,
        sql,
        Id(call.as_uuid()),
        IntegrationStatus::Failed.as_str(),
        i64::from(number),
        failure.code.as_str(),
        &failure.message,
        failure.retryable,
        Milliseconds((ended_at - found.started_at).to_std().unwrap_or_default()),
        Timestamp(ended_at),
        Timestamp(abandoned_before(at)),
    )?;
    if ended == 0 {
        return Ok(false);
    }
    let before = attempts_of(transaction, call).await?;
    let earliest = before.last().map_or(found.started_at, |last| last.started_at + last.duration);
    let attempt = Attempt {
        number,
        started_at: earliest,
        duration: Duration::ZERO,
        waited: Duration::ZERO,
        wait_reason: None,
        http_status_code: None,
        error: Some((failure.code, "this attempt may have been under way when its process ended or failed".to_owned())),
    };
    insert_attempt(transaction, call, &attempt).await?;
    Ok(true)
}

struct Found {
    orphan: Orphan,
    started_at: DateTime<Utc>,
    attempt_count: u32,
}

#[derive(FromRow)]
struct OrphanRow {
    id: Id,
    connector_id: Option<Id>,
    correlation_id: String,
    started_at: Timestamp,
    attempt_count: i32,
}

impl Stored for OrphanRow {
    type Domain = Found;

    const TABLE: &'static str = "integration_logs";
    const KEY: &'static str = "id";

    fn read(self) -> Result<Found, Unreadable> {
        Ok(Found {
            orphan: Orphan {
                id: LogId::new(self.id.0),
                connector_id: self.connector_id.map(|column| ConnectorId::new(column.0)),
                correlation_id: self.correlation_id,
            },
            started_at: self.started_at.0,
            attempt_count: self.attempt_count.try_into()?,
        })
    }
}
