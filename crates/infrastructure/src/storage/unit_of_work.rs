//! One transaction in which audited changes are made.

use async_trait::async_trait;
use domain::api_key::{ApiKey, KeyChange};
use domain::connector::{Change, Connector};
use domain::error::StorageError;
use domain::id::ConnectorId;
use domain::idempotency::{IdempotencyClaim, StoredAnswer};
use domain::repository::{StorageResult, UnitOfWork};

use super::engine::Session;
use super::{api_key, audit, connector, idempotency};

/// A unit of work on either engine. Its transaction is undone when it is dropped.
pub(super) struct SqlUnitOfWork {
    transaction: Session,
    /// The engines disagree about what a transaction keeps after a statement of it failed; this one keeps nothing.
    failed: bool,
}

impl SqlUnitOfWork {
    pub(super) fn new(transaction: Session) -> Self {
        Self { transaction, failed: false }
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

    async fn save(&mut self, change: &Change) -> StorageResult<()> {
        let saved = match connector::save(&mut self.transaction, change).await {
            Ok(()) => audit::append(&mut self.transaction, change.entry()).await,
            Err(error) => Err(error),
        };
        self.noted(saved)
    }

    async fn save_key(&mut self, change: &KeyChange) -> StorageResult<()> {
        let saved = match api_key::save(&mut self.transaction, change).await {
            Ok(()) => audit::append(&mut self.transaction, change.entry()).await,
            Err(error) => Err(error),
        };
        self.noted(saved)
    }

    async fn keep_answer(&mut self, claim: &IdempotencyClaim, answer: &StoredAnswer) -> StorageResult<bool> {
        let claimed = idempotency::claim(&mut self.transaction, claim, None, Some(answer)).await;
        self.noted(claimed)
    }

    async fn commit(self: Box<Self>) -> StorageResult<()> {
        if self.failed {
            return Err(StorageError::unreadable("committing a unit of work of which a part failed; nothing is kept"));
        }
        self.transaction.commit().await
    }
}
