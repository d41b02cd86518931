//! The ports of persistence. Reading goes through the repositories, audited changes through a [`UnitOfWork`], calls
//! through the [`CallJournal`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::access::Scope;
use crate::api_key::{ApiKey, KeyChange, KeyDigest, KeyFilter};
use crate::audit::{AuditFilter, AuditHead, ChainedEntry, StoredEntry, Verification};
use crate::connector::{Capability, Change, Connector, ConnectorStatus};
use crate::error::StorageError;
use crate::id::{ApiKeyId, ConnectorId, LeaseId, LogId};
use crate::idempotency::{IdempotencyClaim, KeptAnswer, KnownKey, StoredAnswer};
use crate::integration_log::{
    Attempt, CallIntent, Completion, IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition, Outcome,
};
use crate::lease::{Orphan, Premise};
use crate::page::{Page, PageRequest};
use crate::rate_limit::Permits;
use crate::statistics::{ConnectorCalls, Timeline};

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
    /// `InProgress` is durable: the whole premise held when it was written.
    InProgress {
        /// Whether the connector's upstream has asked for a pause that holds (RT-7).
        paused: bool,
    },
    /// The connector is not enabled, was changed, or is gone, where the premise names its version; or the lease has
    /// lapsed. Nothing was written.
    Refused,
}

/// What became of something that was to be written about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is durable.
    Kept,
    /// The call is not this process's any more: its lease has lapsed, or it has ended. Nothing was written.
    Refused,
}

/// Writing calls. The writes of different calls may be made durable together; none waits for that longer than it takes.
#[async_trait]
pub trait CallJournal: Send + Sync {
    /// Writes the intent of a call, if `premise` holds at that very moment. Durable when it returns; when it fails,
    /// nothing stays behind for good.
    async fn begin_call(&self, intent: &CallIntent, premise: &Premise) -> StorageResult<Begun>;

    /// Writes a call that was skipped.
    async fn skip_call(&self, intent: &CallIntent, completion: &Completion) -> StorageResult<()>;

    /// Whether the connector lets calls out and was not switched since `switched_at`, its last switching as the call
    /// knows it; asked of the store itself.
    async fn is_enabled_since(&self, connector: ConnectorId, switched_at: Option<DateTime<Utc>>)
    -> StorageResult<bool>;

    /// Writes a failed attempt before the wait for the next one.
    async fn record_attempt(&self, call: LogId, attempt: &Attempt) -> StorageResult<Recorded>;

    /// Writes the outcome of a call. Writing the same outcome again changes nothing and is `Kept`.
    async fn complete_call(&self, outcome: &Arc<Outcome>) -> StorageResult<Recorded>;
}

/// Who lives, and what becomes of the calls of those who do not (DU-2). All times are by the clock of the store.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Opens a new lease.
    async fn open_lease(&self, lease: LeaseId) -> StorageResult<()>;

    /// Extends a lease; false when it has lapsed, which is for good.
    async fn extend_lease(&self, lease: LeaseId) -> StorageResult<bool>;

    /// Ends a lease at once.
    async fn release_lease(&self, lease: LeaseId) -> StorageResult<()>;

    /// Parts a call from its lease, as if that had lapsed for this call alone.
    async fn disown_call(&self, call: LogId) -> StorageResult<()>;

    /// Ends up to `batch` calls of lapsed leases, and such as are [abandoned](crate::lease::abandoned_before), as `Failed`
    /// with `outcome-unknown`, at the time `at`. An attempt may have been under way: it is counted, as one whose outcome is
    /// unknown.
    async fn recover_orphans(&self, at: DateTime<Utc>, batch: u32) -> StorageResult<Vec<Orphan>>;
}

/// Reading calls.
#[async_trait]
pub trait IntegrationLogRepository: Send + Sync {
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

/// Counting calls.
#[async_trait]
pub trait CallStatistics: Send + Sync {
    /// The calls that began within `timeline`, for every connector of `scope` that is not deleted, by folded name.
    async fn count_calls(&self, timeline: &Timeline, scope: &Scope) -> StorageResult<Vec<ConnectorCalls>>;
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

    /// The end of the chain, as it was committed last.
    async fn audit_head(&self) -> StorageResult<AuditHead>;

    /// Verifies the whole chain as it stands at one moment; `anchor` has to be in it. Rows may hold anything, and no row
    /// is a failure. Nobody who writes waits for it.
    async fn verify_chain(&self, anchor: Option<AuditHead>) -> StorageResult<Verification>;

    /// Entries up to number `until` as their rows have them, the oldest first: a page has fewer where they are large.
    async fn read_entries(
        &self,
        filter: &AuditFilter,
        until: i64,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<StoredEntry, i64>>;
}

/// Reading API keys, and writing when they were used, which nobody audits.
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// The key with this digest, revoked and expired ones included.
    async fn find_key(&self, digest: &KeyDigest) -> StorageResult<Option<ApiKey>>;

    /// The key of this id, revoked and expired ones included.
    async fn find_key_of_id(&self, id: ApiKeyId) -> StorageResult<Option<ApiKey>>;

    /// Keys, the newest first; `at` is the moment at which their status is judged.
    async fn list_keys(
        &self,
        filter: &KeyFilter,
        at: DateTime<Utc>,
        page: &PageRequest<ApiKeyId>,
    ) -> StorageResult<Page<ApiKey, ApiKeyId>>;

    /// Writes when keys were used, all or none. A later use that is written already stays.
    async fn record_key_uses(&self, uses: &[(ApiKeyId, DateTime<Utc>)]) -> StorageResult<()>;
}

/// The rate limits and pauses of connectors, shared by all replicas and judged by the store's clock (RL-1, RL-2, RT-7).
#[async_trait]
pub trait RateLimits: Send + Sync {
    /// Takes up to `wanted` permits under the connector's limit and pause as they stand in the store at that moment.
    /// What is granted is durable when this returns, and is not given back.
    async fn take_permits(&self, connector: ConnectorId, wanted: u32) -> StorageResult<Permits>;

    /// Lets no attempt of the connector go for so long, counted from now; a pause that lasts longer stays. The next
    /// switching of the connector ends it.
    async fn pause(&self, connector: ConnectorId, length: Duration) -> StorageResult<()>;
}

/// Requests that name themselves.
#[async_trait]
pub trait IdempotencyKeys: Send + Sync {
    /// What is known of the key that is about to be claimed; nothing when the claim to it has lapsed.
    async fn find_idempotency_key(&self, claim: &IdempotencyClaim) -> StorageResult<Option<KnownKey>>;

    /// As [`CallJournal::begin_call`], together with the claim to a key. Refused also when the key belongs to another
    /// request.
    async fn begin_call_once(
        &self,
        intent: &CallIntent,
        premise: &Premise,
        claim: &IdempotencyClaim,
    ) -> StorageResult<Begun>;

    /// As [`CallJournal::skip_call`], together with the claim to a key and the answer. Refused when the key belongs to
    /// another request.
    async fn skip_call_once(
        &self,
        intent: &CallIntent,
        completion: &Completion,
        kept: &KeptAnswer,
    ) -> StorageResult<Recorded>;

    /// As [`CallJournal::complete_call`], together with the answer to the request that began the call.
    async fn complete_call_once(&self, outcome: &Arc<Outcome>, kept: &KeptAnswer) -> StorageResult<Recorded>;

    /// Forgets up to `batch` keys that were claimed before that moment, the oldest first, and answers how many there
    /// were. What they had the effect of stays.
    async fn forget_idempotency_keys(&self, before: DateTime<Utc>, batch: u32) -> StorageResult<u64>;
}

/// The whole store.
#[async_trait]
pub trait Storage:
    ConnectorRepository
    + CallJournal
    + Leases
    + RateLimits
    + IntegrationLogRepository
    + CallStatistics
    + AuditTrail
    + ApiKeyRepository
    + IdempotencyKeys
{
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

    /// The key of this id, held against other changes.
    async fn key_of_id(&mut self, id: ApiKeyId) -> StorageResult<Option<ApiKey>>;

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

    /// Claims a key for this unit of work and keeps the answer to its request, or answers false when the key belongs to
    /// another request. Waits for a unit of work that claims the same key, so it comes before anything else.
    async fn keep_answer(&mut self, claim: &IdempotencyClaim, answer: &StoredAnswer) -> StorageResult<bool>;

    /// Makes everything durable.
    async fn commit(self: Box<Self>) -> StorageResult<()>;
}
