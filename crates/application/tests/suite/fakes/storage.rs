//! A whole store in memory. Like the real one it keeps a unit of work to itself until the commit, refuses names that
//! are taken and versions that are stale, chains the audit, and cannot hold a NUL.

mod audit;
mod calls;
mod connectors;
mod idempotency;
mod keys;
mod leases;
mod rate_limits;
mod statistics;
mod unit_of_work;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use domain::api_key::ApiKey;
use domain::audit::ChainedEntry;
use domain::connector::Connector;
use domain::error::StorageError;
use domain::id::{ConnectorId, LeaseId, LogId};
use domain::idempotency::{ClaimedEffect, IdempotencyClaim};
use domain::integration_log::IntegrationLogPage;
use domain::repository::{Storage, StorageResult, UnitOfWork};

use self::rate_limits::Limited;
use self::unit_of_work::MemoryUnitOfWork;
use super::Journal;

/// What the store is asked to do; each can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    FindConnector,
    ListConnectors,
    BeginCall,
    SkipCall,
    IsEnabled,
    RecordAttempt,
    CompleteCall,
    OpenLease,
    ExtendLease,
    ReleaseLease,
    DisownCall,
    RecoverOrphans,
    TakePermits,
    Pause,
    FindLog,
    ListLogs,
    CountCalls,
    ListEntries,
    AuditHead,
    VerifyChain,
    ReadEntries,
    FindKey,
    ListKeys,
    RecordUses,
    Begin,
    Hold,
    Save,
    Commit,
    Check,
}

/// What units of work change.
#[derive(Debug, Clone, Default)]
struct Tables {
    connectors: BTreeMap<ConnectorId, ConnectorRow>,
    keys: Vec<ApiKey>,
    entries: Vec<ChainedEntry>,
    claims: Vec<(IdempotencyClaim, ClaimedEffect)>,
}

#[derive(Debug, Clone)]
struct ConnectorRow {
    connector: Connector,
    deleted: bool,
}

type Interference = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
struct State {
    tables: Tables,
    calls: BTreeMap<LogId, IntegrationLogPage>,
    leases: HashSet<LeaseId>,
    limited: Limited,
    /// Under which lease a call was begun.
    owners: HashMap<LogId, LeaseId>,
    away: HashSet<Operation>,
    interferences: HashMap<Operation, Interference>,
}

pub(crate) struct MemoryStorage {
    state: Arc<Mutex<State>>,
    /// Units of work are one after the other, as on SQLite.
    units: Arc<tokio::sync::Mutex<()>>,
    journal: Journal,
}

impl MemoryStorage {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { state: Arc::default(), units: Arc::default(), journal }
    }

    /// From now on `operation` finds the store unavailable.
    pub(crate) fn take_away(&self, operation: Operation) {
        self.state().away.insert(operation);
    }

    /// From now on `operation` works again.
    pub(crate) fn bring_back(&self, operation: Operation) {
        self.state().away.remove(&operation);
    }

    /// Somebody else disables the connector right before `operation` is done, once.
    pub(crate) fn disable_right_before(&self, operation: Operation, id: ConnectorId) {
        let disable = move |state: &mut State| {
            let row = state.tables.connectors.get_mut(&id).expect("the connector");
            row.connector.switch.status = domain::connector::ConnectorStatus::Disabled;
            row.connector.version += 1;
        };
        self.state().interferences.insert(operation, Box::new(disable));
    }

    /// Every audit entry, in order.
    pub(crate) fn entries(&self) -> Vec<ChainedEntry> {
        self.state().tables.entries.clone()
    }

    /// Every call, in order of creation.
    pub(crate) fn calls(&self) -> Vec<IntegrationLogPage> {
        self.state().calls.values().cloned().collect()
    }

    /// The one call that there is.
    pub(crate) fn only_call(&self) -> IntegrationLogPage {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "one call");
        calls.into_iter().next().expect("one call")
    }

    /// The newest call.
    pub(crate) fn last_call(&self) -> IntegrationLogPage {
        self.calls().into_iter().max_by_key(|page| page.log.intent.id).expect("a call")
    }

    /// Everything in the store, as text to be searched: as Rust shows it, and the payloads as JSON.
    pub(crate) fn dump(&self) -> String {
        let state = self.state();
        let payloads: Vec<String> = state
            .calls
            .values()
            .flat_map(|page| [&page.payloads.request, &page.payloads.response])
            .flatten()
            .map(ToString::to_string)
            .collect();
        format!("{:?}\n{:?}\n{}", state.tables, state.calls, payloads.join("\n"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// The state for `operation`, once whatever stands in its way has happened.
    fn enter(&self, operation: Operation) -> StorageResult<MutexGuard<'_, State>> {
        enter(&self.state, &self.journal, operation)
    }
}

fn enter<'a>(state: &'a Mutex<State>, journal: &Journal, operation: Operation) -> StorageResult<MutexGuard<'a, State>> {
    // Heartbeats and permits come between whatever else happens.
    if !matches!(operation, Operation::ExtendLease | Operation::TakePermits | Operation::Pause) {
        journal.note(format!("{operation:?}"));
    }
    let mut state = state.lock().expect("not poisoned");
    if let Some(interfere) = state.interferences.remove(&operation) {
        interfere(&mut state);
    }
    if state.away.contains(&operation) {
        return Err(StorageError::Unavailable(format!("{operation:?}: connection refused").into()));
    }
    Ok(state)
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn begin(&self) -> StorageResult<Box<dyn UnitOfWork>> {
        let turn = Arc::clone(&self.units).lock_owned().await;
        let tables = self.enter(Operation::Begin)?.tables.clone();
        Ok(Box::new(MemoryUnitOfWork::new(Arc::clone(&self.state), self.journal.clone(), turn, tables)))
    }

    async fn check(&self) -> StorageResult<()> {
        self.enter(Operation::Check).map(drop)
    }

    async fn cursor_key(&self) -> StorageResult<[u8; 32]> {
        Ok([7; 32])
    }
}
