//! One transaction in which audited changes are made.

use async_trait::async_trait;
use domain::api_key::{ApiKey, KeyChange};
use domain::audit::{AuditEntry, AuditHead};
use domain::connector::{Change, Connector};
use domain::error::StorageError;
use domain::id::{ApiKeyId, ConnectorId};
use domain::idempotency::{IdempotencyClaim, StoredAnswer};
use domain::repository::{StorageResult, UnitOfWork};

use super::engine::Session;
use super::{api_key, audit, connector, idempotency};

/// A unit of work on either engine. Its transaction is undone when it is dropped.
pub(super) struct SqlUnitOfWork {
    transaction: Session,
    /// The engines disagree about what a transaction keeps after a statement of it failed; this one keeps nothing.
    failed: bool,
    /// The ends of the audit's chain that the commit will make.
    heads: Vec<AuditHead>,
}

impl SqlUnitOfWork {
    pub(super) fn new(transaction: Session) -> Self {
        Self { transaction, failed: false, heads: Vec::new() }
    }

    /// Writes the entry of a change whose row was saved.
    async fn audited(&mut self, saved: StorageResult<()>, entry: &AuditEntry) -> StorageResult<()> {
        let appended = match saved {
            Ok(()) => audit::append(&mut self.transaction, entry).await,
            Err(error) => Err(error),
        };
        self.noted(appended).map(|head| self.heads.push(head))
    }

    fn noted<T>(&mut self, answer: StorageResult<T>) -> StorageResult<T> {
        self.failed |= answer.is_err();
        answer
    }
}

#[async_trait]
impl UnitOfWork for SqlUnitOfWork {
    async fn connector(&mut self, id: ConnectorId) -> StorageResult<Option<Connector>> {
        let found = connector::find_and_hold(&mut self.transaction, id).await;
        self.noted(found)
    }

    async fn key(&mut self, name: &str) -> StorageResult<Option<ApiKey>> {
        let found = api_key::find_and_hold(&mut self.transaction, name).await;
        self.noted(found)
    }

    async fn key_of_id(&mut self, id: ApiKeyId) -> StorageResult<Option<ApiKey>> {
        let found = api_key::find_of_id_and_hold(&mut self.transaction, id).await;
        self.noted(found)
    }

    async fn save(&mut self, change: &Change) -> StorageResult<()> {
        let saved = connector::save(&mut self.transaction, change).await;
        self.audited(saved, change.entry()).await
    }

    async fn save_key(&mut self, change: &KeyChange) -> StorageResult<()> {
        let saved = api_key::save(&mut self.transaction, change).await;
        self.audited(saved, change.entry()).await
    }

    async fn keep_answer(&mut self, claim: &IdempotencyClaim, answer: &StoredAnswer) -> StorageResult<bool> {
        let claimed = idempotency::claim(&mut self.transaction, claim, None, Some(answer)).await;
        self.noted(claimed)
    }

    async fn commit(self: Box<Self>) -> StorageResult<()> {
        if self.failed {
            return Err(StorageError::unreadable("committing a unit of work of which a part failed; nothing is kept"));
        }
        audit::commit(self.transaction, self.heads).await
    }
}
