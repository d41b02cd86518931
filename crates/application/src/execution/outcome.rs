//! Writing the outcome of a call, also when the store is away at that moment (DU-4).

use std::sync::Arc;
use std::time::Duration;

use domain::error::StorageError;
use domain::id::{LeaseId, LogId};
use domain::idempotency::KeptAnswer;
use domain::integration_log::Outcome;
use domain::repository::{Recorded, StorageResult};
use tokio::time::Instant;
use tracing::Instrument;

use super::IntegrationExecutionService;
use crate::error::Causes;

/// How long an outcome is kept trying while the store is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two tries to write an outcome.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause between two tries to part with a call whose outcome is lost.
const DISOWNING_PAUSE: Duration = Duration::from_secs(5);

/// What is written at the end of a call.
pub(super) struct CallEnd {
    pub(super) outcome: Arc<Outcome>,
    /// The answer to the request that the call was made for, if it names itself.
    pub(super) kept: Option<KeptAnswer>,
}

impl IntegrationExecutionService {
    async fn write(&self, CallEnd { outcome, kept }: &CallEnd) -> StorageResult<Recorded> {
        match kept {
            None => self.storage.complete_call(outcome).await,
            Some(kept) => self.storage.complete_call_once(outcome, kept).await,
        }
    }

    /// Writes an outcome; when the store is away, goes on trying in the background. Answers whether it is durable.
    pub(super) async fn record(&self, end: CallEnd, lease: LeaseId) -> bool {
        let call = end.outcome.call;
        match self.write(&end).await {
            Ok(Recorded::Kept) => true,
            Ok(Recorded::Refused) => {
                refused(call);
                false
            }
            Err(error) => {
                tracing::error!(log_id = %call, error = %Causes(&error), "the outcome is not written yet");
                let service = self.clone();
                let retrying = async move { service.keep_writing(end, lease).await };
                self.calls.spawn(retrying.in_current_span());
                false
            }
        }
    }

    async fn keep_writing(&self, end: CallEnd, lease: LeaseId) {
        let call = end.outcome.call;
        let until = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
            match self.write(&end).await {
                Ok(Recorded::Kept) => {
                    tracing::info!(log_id = %call, "the outcome is written after all");
                    return;
                }
                Ok(Recorded::Refused) => return refused(call),
                Err(error @ StorageError::Unavailable(_)) => last = Causes(&error).to_string(),
                // The store is there and does not take it; it will not take it later either.
                Err(error) => {
                    last = Causes(&error).to_string();
                    break;
                }
            }
        }
        tracing::error!(log_id = %call, error = last, "the outcome is lost, and becomes unknown");
        self.disown(call, lease).await;
    }

    /// Leaves a call to the recovery. As long as the store is away it cannot be told; then the lease lapses by itself.
    async fn disown(&self, call: LogId, lease: LeaseId) {
        while self.leases.holds(lease) && self.storage.disown_call(call).await.is_err() {
            tokio::time::sleep(DISOWNING_PAUSE).await;
        }
    }
}

fn refused(call: LogId) {
    tracing::error!(log_id = %call, "the outcome came too late: the lease had lapsed, and the call counts as unknown");
}
