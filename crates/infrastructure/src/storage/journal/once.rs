//! Writes about calls whose requests name themselves. They do not go with a group: such a write waits for others that
//! claim the same key, and a group is not to wait with it.

use std::sync::Arc;
use std::time::Duration;

use domain::id::LogId;
use domain::idempotency::{IdempotencyClaim, KeptAnswer};
use domain::integration_log::{CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::repository::{Begun, Recorded, StorageResult};
use tokio::time::Instant;

use super::entry::Write;
use super::group::Kept;
use super::{DOUBT, postgres, sqlite};
use crate::storage::SqlStorage;
use crate::storage::columns::Id;
use crate::storage::engine::{Link, Session, execute, within};
use crate::storage::failure::storage_error;
use crate::storage::idempotency::{answer, claim};
use crate::storage::integration_log::skip;

/// The pause between two tries to take a beginning away.
const PAUSE: Duration = Duration::from_secs(1);

impl SqlStorage {
    pub(in crate::storage) async fn begin_once(
        &self,
        intent: &CallIntent,
        premise: &Premise,
        claimed: &IdempotencyClaim,
    ) -> StorageResult<Begun> {
        let mut transaction = self.pool.transaction().await?;
        let write = Write::Begin { intent: Box::new(intent.clone()), premise: *premise };
        let Some(Kept { paused }) = write_one(&mut transaction, &write).await? else { return Ok(Begun::Refused) };
        if !claim(&mut transaction, claimed, Some(intent.id), None).await? {
            return Ok(Begun::Refused);
        }
        let committed = transaction.commit().await;
        if committed.is_err() {
            self.take_away(intent.id);
        }
        committed.map(|()| Begun::InProgress { paused })
    }

    pub(in crate::storage) async fn skip_once(
        &self,
        intent: &CallIntent,
        completion: &Completion,
        kept: &KeptAnswer,
    ) -> StorageResult<Recorded> {
        let mut transaction = self.pool.transaction().await?;
        skip(&mut transaction, intent, completion).await?;
        if !claim(&mut transaction, &kept.claim, Some(intent.id), Some(&kept.answer)).await? {
            return Ok(Recorded::Refused);
        }
        transaction.commit().await.map(|()| Recorded::Kept)
    }

    pub(in crate::storage) async fn complete_once(
        &self,
        outcome: &Arc<Outcome>,
        kept: &KeptAnswer,
    ) -> StorageResult<Recorded> {
        let mut transaction = self.pool.transaction().await?;
        if write_one(&mut transaction, &Write::Complete(Arc::clone(outcome))).await?.is_none() {
            drop(transaction);
            return self.kept_before(outcome).await;
        }
        answer(&mut transaction, kept, outcome.call).await?;
        transaction.commit().await.map(|()| Recorded::Kept)
    }

    /// Takes away a beginning that may have been kept although its caller is told that it failed, and with it the claim
    /// to the key: nothing was sent. A commit that hangs may still come for a while.
    fn take_away(&self, call: LogId) {
        let pool = self.pool.clone();
        tokio::spawn(async move {
            let since = Instant::now();
            let mut gone = false;
            while !gone || since.elapsed() < DOUBT {
                tokio::time::sleep(PAUSE).await;
                let sql = "DELETE FROM integration_logs WHERE id = $1 AND status = 'InProgress'";
                gone = match pool.writer().await {
                    Ok(mut session) => execute!(&mut session, sql, Id(call.as_uuid())).is_ok(),
                    Err(_) => false,
                };
            }
        });
    }
}

async fn write_one(transaction: &mut Session, write: &Write) -> StorageResult<Option<Kept>> {
    if let Link::Postgres(connection) = transaction.link() {
        return within(postgres::write_one(connection, write)).await.map_err(storage_error);
    }
    sqlite::write_one(transaction, write).await
}
