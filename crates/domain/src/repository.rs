//! The ports of persistence. Reading goes through the repositories, audited changes through a [`UnitOfWork`], calls
//! through the [`IntegrationLogRepository`], whose writes do not share a transaction with anything.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::access::Scope;
use crate::api_key::{ApiKey, KeyChange, KeyDigest};
use crate::audit::{AuditFilter, ChainedEntry};
use crate::connector::{Capability, Change, Connector, ConnectorStatus};
use crate::error::StorageError;
use crate::id::{ConnectorId, LogId};
use crate::integration_log::{
    Attempt, CallIntent, Completion, IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition, Payloads,
};
use crate::page::{Page, PageRequest};

/// What every port answers.
pub type StorageResult<T> = Result<T, StorageError>;

/// Which connectors are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectorFilter {
    /// In this state.
    pub status: Option<ConnectorStatus>,
    /// Of this type, exactly.
    pub connector_type: Option<String>,
    /// With this capability.
    pub capability: Option<Capability>,
    /// Whose name contains this, without regard to case.
    pub name_contains: Option<String>,
}

/// Where a list of connectors goes on: behind this name key (names are unique among those that are listed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorPosition {
    /// The folded name of the last connector shown.
    pub name_key: String,
}

/// Reading connectors. A deleted connector is not found.
#[async_trait]
pub trait ConnectorRepository: Send + Sync {
    /// The connector, if it exists.
    async fn find_connector(&self, id: ConnectorId) -> StorageResult<Option<Connector>>;

    /// Whether a connector of this id exists or ever existed; its logs and audit outlive it.
    async fn connector_was_known(&self, id: ConnectorId) -> StorageResult<bool>;

    /// Connectors by folded name, ascending.
    async fn list_connectors(
        &self,
        filter: &ConnectorFilter,
        scope: &Scope,
        page: &PageRequest<ConnectorPosition>,
    ) -> StorageResult<Page<Connector, ConnectorPosition>>;
}

/// How the beginning of a call was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// `InProgress` is durable: the connector was enabled when it was written.
    InProgress,
    /// The connector was not enabled (or is gone): nothing was written.
    NotEnabled,
}

/// Recording and reading calls.
#[async_trait]
pub trait IntegrationLogRepository: Send + Sync {
    /// Writes the intent of a call, if its connector is enabled at that very moment. Durable when it returns.
    async fn begin_call(&self, intent: &CallIntent) -> StorageResult<Begun>;

    /// Writes a call that was skipped.
    async fn skip_call(&self, intent: &CallIntent, completion: &Completion) -> StorageResult<()>;

    /// Whether the connector lets calls out and was not switched since `switched_at`, its last switching as the call
    /// knows it; asked of the store itself.
    async fn is_enabled_since(&self, connector: ConnectorId, switched_at: Option<DateTime<Utc>>)
    -> StorageResult<bool>;

    /// Writes a failed attempt before the wait for the next one.
    async fn record_attempt(&self, call: LogId, attempt: &Attempt) -> StorageResult<()>;

    /// Writes the outcome of a call, its last attempt with it. Writing the same outcome again changes nothing.
    /// `endpoint` is the path as it may be kept: a secret in it was not known when the intent was written.
    async fn complete_call(
        &self,
        call: LogId,
        endpoint: &str,
        completion: &Completion,
        last_attempt: Option<&Attempt>,
        payloads: &Payloads,
    ) -> StorageResult<()>;

    /// One call with everything that is kept of it.
    async fn find_log(&self, id: LogId) -> StorageResult<Option<IntegrationLogPage>>;

    /// Calls without their attempts and payloads.
    async fn list_logs(
        &self,
        filter: &LogFilter,
        scope: &Scope,
        order: LogOrder,
        page: &PageRequest<LogPosition>,
    ) -> StorageResult<Page<IntegrationLog, LogPosition>>;
}

/// Reading the audit trail; it is written by [`UnitOfWork`] alone.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Entries, the newest first; a position is a sequence number.
    async fn list_entries(
        &self,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<ChainedEntry, i64>>;
}

/// Reading API keys.
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// The key with this digest, revoked and expired ones included.
    async fn find_key(&self, digest: &KeyDigest) -> StorageResult<Option<ApiKey>>;

    /// Every key, by name and age.
    async fn list_keys(&self) -> StorageResult<Vec<ApiKey>>;
}

/// The whole store.
#[async_trait]
pub trait Storage: ConnectorRepository + IntegrationLogRepository + AuditTrail + ApiKeyRepository {
    /// Begins a unit of work. It must not be held across an outbound call.
    async fn begin(&self) -> StorageResult<Box<dyn UnitOfWork>>;

    /// Whether the store answers, and has at least the schema of this version.
    async fn check(&self) -> StorageResult<()>;

    /// The key that seals list cursors: random, made with the database and shared by all replicas.
    async fn cursor_key(&self) -> StorageResult<[u8; 32]>;
}

/// One transaction: the only door to audited changes. Dropping it undoes everything.
#[async_trait]
pub trait UnitOfWork: Send {
    /// The connector as it stands, held against other changes until the end of this unit of work.
    async fn connector(&mut self, id: ConnectorId) -> StorageResult<Option<Connector>>;

    /// The key of this name that is not revoked, held against other changes.
    async fn key(&mut self, name: &str) -> StorageResult<Option<ApiKey>>;

    /// Writes a change and its audit entry.
    ///
    /// # Errors
    /// [`StorageError::NameTaken`], [`StorageError::Stale`], or that the store failed.
    async fn save(&mut self, change: &Change) -> StorageResult<()>;

    /// Writes the change of a key and its audit entry.
    ///
    /// # Errors
    /// [`StorageError::NameTaken`], or that the store failed.
    async fn save_key(&mut self, change: &KeyChange) -> StorageResult<()>;

    /// Makes everything durable.
    async fn commit(self: Box<Self>) -> StorageResult<()>;
}
