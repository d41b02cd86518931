//! The tables `audit_entries` and `audit_head`.

mod chain;

use async_trait::async_trait;
use domain::access::{Actor, ActorType};
use domain::audit::{
    Action, AuditEntry, AuditFilter, AuditHead, ChainedEntry, FieldChange, StoredEntry, Verification, changes_as_json,
};
use domain::correlation::CorrelationId;
use domain::error::StorageError;
use domain::id::ConnectorId;
use domain::page::{Page, PageRequest};
use domain::repository::{AuditTrail, StorageResult};
use sqlx::FromRow;
use tracing::Instrument;

use super::SqlStorage;
use super::columns::{Digest, Id, Json, Timestamp};
use super::conditions::{Conditions, Value};
use super::engine::{Session, execute, fetch, only};
use super::rows::{Stored, Unreadable, known};

const SELECT: &str = "SELECT sequence, at, actor, actor_type, action, subject, connector_id, reason, changes, \
     correlation_id, source_address, previous_hash, hash FROM audit_entries";

/// Takes the next number and, with it, the lock on the end of the chain: whoever comes next waits for the commit.
const ADVANCE: &str = "UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash";

const INSERT: &str = "INSERT INTO audit_entries (sequence, at, actor, actor_type, action, subject, connector_id, \
     reason, changes, correlation_id, source_address, previous_hash, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

#[derive(FromRow)]
struct EntryRow {
    sequence: i64,
    at: Timestamp,
    actor: String,
    actor_type: String,
    action: String,
    subject: String,
    connector_id: Option<Id>,
    reason: Option<String>,
    changes: Json,
    correlation_id: String,
    source_address: Option<String>,
    previous_hash: Digest,
    hash: Digest,
}

impl TryFrom<EntryRow> for ChainedEntry {
    type Error = Unreadable;

    fn try_from(row: EntryRow) -> Result<Self, Unreadable> {
        Ok(Self {
            sequence: row.sequence,
            entry: AuditEntry {
                at: row.at.0,
                actor: Actor { name: row.actor, kind: known(ActorType::parse(&row.actor_type), "actor_type")? },
                action: known(Action::parse(&row.action), "action")?,
                subject: row.subject,
                connector_id: row.connector_id.map(|id| ConnectorId::new(id.0)),
                reason: row.reason,
                changes: known(changes(row.changes.0), "changes")?,
                correlation_id: known(CorrelationId::parse(&row.correlation_id), "correlation_id")?,
                source_address: row.source_address.map(|address| address.parse()).transpose()?,
            },
            previous_hash: row.previous_hash.0,
            hash: row.hash.0,
        })
    }
}

impl Stored for EntryRow {
    type Domain = ChainedEntry;

    const TABLE: &'static str = "audit_entries";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<ChainedEntry, Unreadable> {
        self.try_into()
    }
}

#[derive(FromRow)]
struct HeadRow {
    sequence: i64,
    hash: Digest,
}

impl Stored for HeadRow {
    type Domain = AuditHead;

    const TABLE: &'static str = "audit_head";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<AuditHead, Unreadable> {
        Ok(AuditHead { sequence: self.sequence, hash: self.hash.0 })
    }
}

/// Reads what [`changes_as_json`] wrote.
fn changes(stored: serde_json::Value) -> Option<Vec<FieldChange>> {
    let serde_json::Value::Array(members) = stored else { return None };
    members
        .into_iter()
        .map(|mut member| {
            Some(FieldChange {
                pointer: member.get("pointer")?.as_str()?.to_owned(),
                before: member.get_mut("before")?.take(),
                after: member.get_mut("after")?.take(),
            })
        })
        .collect()
}

/// Puts an entry at the end of the chain, and answers the new end. It is the end once [`commit`] has told so.
pub(super) async fn append(transaction: &mut Session, entry: &AuditEntry) -> StorageResult<AuditHead> {
    let advanced = only(fetch!(transaction, HeadRow, ADVANCE)?, HeadRow::TABLE)?;
    let chained = ChainedEntry::append(entry.clone(), advanced.sequence, advanced.hash);
    let ChainedEntry { entry, previous_hash, hash, .. } = &chained;
    execute!(
        transaction,
        INSERT,
        chained.sequence,
        Timestamp(entry.at),
        &entry.actor.name,
        entry.actor.kind.as_str(),
        entry.action.as_str(),
        &entry.subject,
        entry.connector_id.map(|id| Id(id.as_uuid())),
        &entry.reason,
        Json(changes_as_json(&entry.changes)),
        entry.correlation_id.as_str(),
        entry.source_address.map(|address| address.to_string()),
        Digest(*previous_hash),
        Digest(*hash),
    )?;
    execute!(transaction, "UPDATE audit_head SET hash = $1 WHERE id = 1", Digest(*hash))?;
    Ok(chained.head())
}

/// Commits, and tells of every new end of the chain. Goes on when its caller goes away: who keeps the ends elsewhere
/// must not miss one that was committed.
pub(super) async fn commit(transaction: Session, heads: Vec<AuditHead>) -> StorageResult<()> {
    let committing = async move {
        transaction.commit().await?;
        for AuditHead { sequence, hash } in heads {
            tracing::info!(target: "audit_head", sequence, hash = hex::encode(hash), "the audit has a new head");
        }
        Ok(())
    };
    let committed = tokio::spawn(committing.in_current_span()).await;
    committed.map_err(|error| StorageError::Failed { context: "committing".to_owned(), source: Some(error.into()) })?
}

#[async_trait]
impl AuditTrail for SqlStorage {
    async fn list_entries(
        &self,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<ChainedEntry, i64>> {
        let found = match self::page(filter, page) {
            Some((sql, values)) => fetch!(&mut self.pool.reader().await?, EntryRow, sql; values)?,
            None => Vec::new(),
        };
        Ok(Page::of(found, page.size, |entry| entry.sequence))
    }

    async fn audit_head(&self) -> StorageResult<AuditHead> {
        let sql = "SELECT sequence, hash FROM audit_head WHERE id = 1";
        only(fetch!(&mut self.pool.reader().await?, HeadRow, sql)?, HeadRow::TABLE)
    }

    async fn verify_chain(&self, anchor: Option<AuditHead>) -> StorageResult<Verification> {
        chain::verify(self.pool.snapshot().await?, anchor).await
    }

    async fn read_entries(
        &self,
        filter: &AuditFilter,
        until: i64,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<StoredEntry, i64>> {
        chain::read(&mut self.pool.reader().await?, filter, until, page).await
    }
}

/// The query of one page, or `None` when there can be no such row.
pub(super) fn page(filter: &AuditFilter, page: &PageRequest<i64>) -> Option<(String, Vec<Value>)> {
    let mut conditions = conditions(filter);
    conditions.add_some("sequence < ?", page.after.map(Value::Number));
    conditions.page(SELECT, " ORDER BY sequence DESC", page.size)
}

fn conditions(filter: &AuditFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add_some("connector_id = ?", filter.connector_id.map(|id| Value::Id(Id(id.as_uuid()))));
    conditions.add_some("actor = ?", filter.actor.clone().map(Value::Text));
    conditions.add_some("action = ?", filter.action.clone().map(Value::Text));
    let correlation_id = filter.correlation_id.as_ref().map(|id| Value::Text(id.as_str().to_owned()));
    conditions.add_some("correlation_id = ?", correlation_id);
    conditions.add_some("at >= ?", filter.from.map(|from| Value::Time(Timestamp(from))));
    conditions.add_some("at < ?", filter.to.map(|to| Value::Time(Timestamp(to))));
    conditions
}
