//! One transaction: a copy of the tables that takes their place at the commit, or is dropped.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::api_key::{ApiKey, KeyChange};
use domain::audit::{AuditEntry, ChainedEntry, GENESIS};
use domain::connector::{Change, ChangeKind, Connector};
use domain::error::StorageError;
use domain::id::{ApiKeyId, ConnectorId};
use domain::idempotency::{ClaimedEffect, IdempotencyClaim, StoredAnswer};
use domain::repository::{StorageResult, UnitOfWork};
use tokio::sync::OwnedMutexGuard;

use super::{ConnectorRow, Journal, Operation, State, Tables, enter};

pub(super) struct MemoryUnitOfWork {
    state: Arc<Mutex<State>>,
    journal: Journal,
    _turn: OwnedMutexGuard<()>,
    tables: Tables,
    /// A unit of which a part failed keeps nothing.
    failed: bool,
}

impl MemoryUnitOfWork {
    pub(super) fn new(state: Arc<Mutex<State>>, journal: Journal, turn: OwnedMutexGuard<()>, tables: Tables) -> Self {
        Self { state, journal, _turn: turn, tables, failed: false }
    }

    fn enter(&mut self, operation: Operation) -> StorageResult<()> {
        let entered = enter(&self.state, &self.journal, operation).map(drop);
        self.failed |= entered.is_err();
        entered
    }
}

#[async_trait]
impl UnitOfWork for MemoryUnitOfWork {
    async fn connector(&mut self, id: ConnectorId) -> StorageResult<Option<Connector>> {
        self.enter(Operation::Hold)?;
        let row = self.tables.connectors.get(&id).filter(|row| !row.deleted);
        Ok(row.map(|row| row.connector.clone()))
    }

    async fn key(&mut self, name: &str) -> StorageResult<Option<ApiKey>> {
        self.enter(Operation::Hold)?;
        let current = |key: &&ApiKey| key.name.as_str() == name && key.revoked.is_none();
        Ok(self.tables.keys.iter().find(current).cloned())
    }

    async fn key_of_id(&mut self, id: ApiKeyId) -> StorageResult<Option<ApiKey>> {
        self.enter(Operation::Hold)?;
        Ok(self.tables.keys.iter().find(|key| key.id == id).cloned())
    }

    async fn save(&mut self, change: &Change) -> StorageResult<()> {
        self.enter(Operation::Save)?;
        let saved = self.tables.save(change);
        self.failed |= saved.is_err();
        saved
    }

    async fn save_key(&mut self, change: &KeyChange) -> StorageResult<()> {
        self.enter(Operation::Save)?;
        let saved = self.tables.save_key(change);
        self.failed |= saved.is_err();
        saved
    }

    async fn keep_answer(&mut self, claim: &IdempotencyClaim, answer: &StoredAnswer) -> StorageResult<bool> {
        Ok(self.tables.claim(claim, ClaimedEffect::Answered(answer.clone())))
    }

    async fn commit(mut self: Box<Self>) -> StorageResult<()> {
        self.enter(Operation::Commit)?;
        if self.failed {
            return Err(StorageError::unreadable("committing a unit of work of which a part failed"));
        }
        self.state.lock().expect("not poisoned").tables = std::mem::take(&mut self.tables);
        Ok(())
    }
}

impl Tables {
    fn save(&mut self, change: &Change) -> StorageResult<()> {
        let after = change.connector();
        let before = self.connectors.get(&after.id);
        let fits = match change.kind() {
            ChangeKind::Insert => before.is_none(),
            ChangeKind::Update | ChangeKind::Delete => {
                before.is_some_and(|row| !row.deleted && row.connector.version + 1 == after.version)
            }
        };
        if !fits {
            return Err(StorageError::Stale);
        }
        let key = after.settings.name.key();
        let has_name = |row: &ConnectorRow| !row.deleted && row.connector.settings.name.key() == key;
        if self.connectors.values().any(|row| row.connector.id != after.id && has_name(row)) {
            return Err(StorageError::NameTaken);
        }
        let row = ConnectorRow { connector: after.clone(), deleted: change.kind() == ChangeKind::Delete };
        self.connectors.insert(after.id, row);
        self.append(change.entry());
        Ok(())
    }

    fn save_key(&mut self, change: &KeyChange) -> StorageResult<()> {
        let after = change.key();
        let has_name = |key: &ApiKey| key.revoked.is_none() && key.name == after.name;
        if after.revoked.is_none() && self.keys.iter().any(|key| key.id != after.id && has_name(key)) {
            return Err(StorageError::NameTaken);
        }
        self.keys.retain(|key| key.id != after.id);
        self.keys.push(after.clone());
        self.append(change.entry());
        Ok(())
    }

    fn append(&mut self, entry: &AuditEntry) {
        let (sequence, hash) = self.entries.last().map_or((0, GENESIS), |last| (last.sequence, last.hash));
        self.entries.push(ChainedEntry::append(entry.clone(), sequence + 1, hash));
    }
}
