//! The table `idempotency_keys`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::id::LogId;
use domain::idempotency::{ClaimedEffect, Fingerprint, IdempotencyClaim, KeptAnswer, KnownKey, StoredAnswer};
use domain::integration_log::{CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::repository::{Begun, IdempotencyKeys, Recorded, StorageResult};
use serde_json::{Value, json};
use sqlx::FromRow;

use super::SqlStorage;
use super::columns::{Digest, Id, Json, Timestamp};
use super::engine::{Session, execute, fetch};
use super::rows::{Stored, Unreadable, known};

const FIND: &str = "SELECT fingerprint, log_id, answer_status, answer_headers, answer_body FROM idempotency_keys \
     WHERE actor_type = $1 AND actor = $2 AND idempotency_key = $3 AND claimed_at >= $4";

/// A claim that has lapsed gives way. PostgreSQL waits here for a transaction that claims the same key; SQLite has one
/// writer at a time.
const CLAIM: &str = "INSERT INTO idempotency_keys (actor_type, actor, idempotency_key, fingerprint, claimed_at, log_id, \
     answer_status, answer_headers, answer_body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
     ON CONFLICT (actor_type, actor, idempotency_key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     claimed_at = excluded.claimed_at, log_id = excluded.log_id, answer_status = excluded.answer_status, \
     answer_headers = excluded.answer_headers, answer_body = excluded.answer_body \
     WHERE idempotency_keys.claimed_at < $10";

/// Not where the claim has lapsed and the key is another request's by now.
const ANSWER: &str = "UPDATE idempotency_keys SET answer_status = $5, answer_headers = $6, answer_body = $7 \
     WHERE actor_type = $1 AND actor = $2 AND idempotency_key = $3 AND log_id = $4";

const FORGET: &str = "DELETE FROM idempotency_keys WHERE (actor_type, actor, idempotency_key) IN (SELECT actor_type, \
     actor, idempotency_key FROM idempotency_keys WHERE claimed_at < $1 ORDER BY claimed_at LIMIT $2)";

#[derive(FromRow)]
struct KeyRow {
    fingerprint: Digest,
    log_id: Option<Id>,
    answer_status: Option<i32>,
    answer_headers: Option<Json>,
    answer_body: Option<Vec<u8>>,
}

impl Stored for KeyRow {
    type Domain = KnownKey;

    const TABLE: &'static str = "idempotency_keys";
    const KEY: &'static str = "log_id";

    fn read(self) -> Result<KnownKey, Unreadable> {
        let began = self.log_id.map(|id| ClaimedEffect::Began(LogId::new(id.0)));
        let answered = match (self.answer_status, self.answer_headers, self.answer_body) {
            (Some(status), Some(headers), Some(body)) => Some(ClaimedEffect::Answered(StoredAnswer {
                status: status.try_into()?,
                headers: known(headers_of(headers.0), "answer_headers")?,
                body: Arc::from(body),
            })),
            _ => None,
        };
        let effect = known(answered.or(began), "log_id")?;
        Ok(KnownKey { fingerprint: Fingerprint::new(self.fingerprint.0), effect })
    }
}

fn headers_of(stored: Value) -> Option<Vec<(String, String)>> {
    serde_json::from_value(stored).ok()
}

/// Claims a key, for a call that is begun or with the answer; false when it belongs to another request.
pub(super) async fn claim(
    transaction: &mut Session,
    claim: &IdempotencyClaim,
    call: Option<LogId>,
    answer: Option<&StoredAnswer>,
) -> StorageResult<bool> {
    let claimed = execute!(
        transaction,
        CLAIM,
        claim.owner.kind.as_str(),
        &claim.owner.name,
        claim.key.as_str(),
        Digest(claim.fingerprint.as_bytes()),
        Timestamp(claim.claimed_at),
        call.map(|call| Id(call.as_uuid())),
        answer.map(|answer| i32::from(answer.status)),
        answer.map(|answer| Json(json!(answer.headers))),
        answer.map(|answer| &answer.body[..]),
        Timestamp(claim.lapsed_before()),
    )?;
    Ok(claimed == 1)
}

/// Keeps the answer to the request that began a call.
pub(super) async fn answer(transaction: &mut Session, kept: &KeptAnswer, call: LogId) -> StorageResult<()> {
    let KeptAnswer { claim, answer } = kept;
    execute!(
        transaction,
        ANSWER,
        claim.owner.kind.as_str(),
        &claim.owner.name,
        claim.key.as_str(),
        Id(call.as_uuid()),
        i32::from(answer.status),
        Json(json!(answer.headers)),
        &answer.body[..],
    )?;
    Ok(())
}

#[async_trait]
impl IdempotencyKeys for SqlStorage {
    async fn find_idempotency_key(&self, claim: &IdempotencyClaim) -> StorageResult<Option<KnownKey>> {
        let found = fetch!(
            &mut self.pool.reader().await?,
            KeyRow,
            FIND,
            claim.owner.kind.as_str(),
            &claim.owner.name,
            claim.key.as_str(),
            Timestamp(claim.lapsed_before()),
        )?;
        Ok(found.into_iter().next())
    }

    async fn begin_call_once(
        &self,
        intent: &CallIntent,
        premise: &Premise,
        claim: &IdempotencyClaim,
    ) -> StorageResult<Begun> {
        self.begin_once(intent, premise, claim).await
    }

    async fn skip_call_once(
        &self,
        intent: &CallIntent,
        completion: &Completion,
        kept: &KeptAnswer,
    ) -> StorageResult<Recorded> {
        self.skip_once(intent, completion, kept).await
    }

    async fn complete_call_once(&self, outcome: &Arc<Outcome>, kept: &KeptAnswer) -> StorageResult<Recorded> {
        self.complete_once(outcome, kept).await
    }

    async fn forget_idempotency_keys(&self, before: DateTime<Utc>, batch: u32) -> StorageResult<u64> {
        execute!(&mut self.pool.writer().await?, FORGET, Timestamp(before), i64::from(batch))
    }
}
