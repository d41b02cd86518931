//! Removing calls and their payloads by age.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::Act;
use domain::repository::StorageResult;
use domain::retention::{Aged, Purge, Purged, Retention};
use uuid::Uuid;

use super::columns::{Id, Timestamp};
use super::engine::{Session, execute};
use super::{SqlStorage, audit};

/// Ids of calls begin with the time, so the primary key is an index of the payloads by age; the bound on it keeps the
/// statement off those that are young. Whether a call is old is said by the call.
pub(super) const BODIES: &str = "DELETE FROM integration_log_payloads WHERE log_id IN (SELECT p.log_id \
     FROM integration_log_payloads p JOIN integration_logs l ON l.id = p.log_id \
     WHERE p.log_id < $1 AND l.started_at < $2 AND l.status <> 'InProgress' ORDER BY p.log_id LIMIT $3)";

/// Attempts, payloads and keys of requests go with their calls.
pub(super) const LOGS: &str = "DELETE FROM integration_logs WHERE id IN (SELECT id FROM integration_logs \
     WHERE started_at < $1 AND status <> 'InProgress' ORDER BY started_at, id LIMIT $2)";

/// Of this program alone: no other one locks in its database.
const LOCK: i64 = 0x636f_6e6e_0d08;

#[async_trait]
impl Retention for SqlStorage {
    async fn purge(&self, purge: &Purge, batch: u32, act: &Act) -> StorageResult<Purged> {
        let mut transaction = self.pool.transaction().await?;
        if !is_ours(&mut transaction).await? {
            return Ok(Purged::Elsewhere);
        }
        let (before, batch) = (purge.began_before, i64::from(batch));
        let removed = match purge.what {
            Aged::Bodies => execute!(&mut transaction, BODIES, first_id(before), Timestamp(before), batch)?,
            Aged::Logs => execute!(&mut transaction, LOGS, Timestamp(before), batch)?,
        };
        let mut heads = Vec::new();
        if removed > 0 {
            // Last: who appends holds the end of the chain against all others until the commit.
            heads.push(audit::append(&mut transaction, &purge.entry(removed, act)).await?);
        }
        // Of nothing as well: dropping a transaction ends it somewhat later, and the lock with it.
        audit::commit(transaction, heads).await?;
        Ok(Purged::Removed(removed))
    }
}

/// Takes the lock until the end of the transaction. SQLite has one writer at a time as it is.
async fn is_ours(transaction: &mut Session) -> StorageResult<bool> {
    if !transaction.is_postgres() {
        return Ok(true);
    }
    Ok(execute!(transaction, "SELECT 1 WHERE pg_try_advisory_xact_lock($1)", LOCK)? == 1)
}

/// The least `UUIDv7` of that millisecond.
pub(super) fn first_id(at: DateTime<Utc>) -> Id {
    let milliseconds = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Id(Uuid::from_u128(milliseconds << 80))
}
