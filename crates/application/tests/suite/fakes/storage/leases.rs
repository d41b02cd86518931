//! Leases that lapse when the test says so.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::failure::{ErrorCode, Failure};
use domain::id::{LeaseId, LogId};
use domain::integration_log::{Completion, IntegrationLog, IntegrationStatus};
use domain::lease::Orphan;
use domain::repository::{Leases, StorageResult};

use super::{MemoryStorage, Operation, State};

impl MemoryStorage {
    /// Every lease lapses: the process was stopped for too long.
    pub(crate) fn let_leases_lapse(&self) {
        self.state().leases.clear();
    }

    /// The next call is not begun, and still every lease holds when it is asked for: only the answer was lost.
    pub(crate) fn refuse_to_begin_once(&self) {
        let refuse = |state: &mut State| {
            let leases = std::mem::take(&mut state.leases);
            let give_back = move |state: &mut State| state.leases = leases;
            state.interferences.insert(Operation::ExtendLease, Box::new(give_back));
        };
        self.state().interferences.insert(Operation::BeginCall, Box::new(refuse));
    }
}

#[async_trait]
impl Leases for MemoryStorage {
    async fn open_lease(&self, lease: LeaseId) -> StorageResult<()> {
        self.enter(Operation::OpenLease)?.leases.insert(lease);
        Ok(())
    }

    async fn extend_lease(&self, lease: LeaseId) -> StorageResult<bool> {
        Ok(self.enter(Operation::ExtendLease)?.leases.contains(&lease))
    }

    async fn release_lease(&self, lease: LeaseId) -> StorageResult<()> {
        self.enter(Operation::ReleaseLease)?.leases.remove(&lease);
        Ok(())
    }

    async fn disown_call(&self, call: LogId) -> StorageResult<()> {
        self.enter(Operation::DisownCall)?.owners.remove(&call);
        Ok(())
    }

    async fn recover_orphans(&self, at: DateTime<Utc>, batch: u32) -> StorageResult<Vec<Orphan>> {
        let mut state = self.enter(Operation::RecoverOrphans)?;
        let state = &mut *state;
        let mut recovered = Vec::new();
        for page in state.calls.values_mut().filter(|page| page.log.completion.is_none()) {
            let id = page.log.intent.id;
            let owned = state.owners.get(&id).is_some_and(|lease| state.leases.contains(lease));
            if owned || recovered.len() == batch as usize {
                continue;
            }
            let failure = Failure::new(ErrorCode::OutcomeUnknown, "the process is gone");
            let completion = Completion {
                status: IntegrationStatus::Failed,
                http_status_code: None,
                attempt_count: page.log.attempt_count + 1,
                failure: Some(failure),
                duration: std::time::Duration::ZERO,
                completed_at: at,
            };
            page.log = IntegrationLog::completed(page.log.intent.clone(), completion);
            let correlation_id = page.log.intent.correlation_id.as_str().to_owned();
            recovered.push(Orphan { id, connector_id: page.log.intent.connector_id, correlation_id });
        }
        Ok(recovered)
    }
}
