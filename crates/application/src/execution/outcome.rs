//! Writing the outcome of a call, also when the store is away at that moment (DU-4).

use std::time::Duration;

use domain::error::StorageError;
use domain::id::LogId;
use domain::integration_log::{Attempt, Completion, Payloads};
use tokio::time::Instant;
use tracing::Instrument;

use super::IntegrationExecutionService;
use crate::error::Causes;

/// How long an outcome is kept trying while the store is away.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two tries to write an outcome.
const OUTCOME_PAUSE: Duration = Duration::from_millis(500);

/// The outcome of a call, to be written.
pub(super) struct Outcome {
    pub(super) call: LogId,
    pub(super) endpoint: String,
    pub(super) completion: Completion,
    pub(super) last_attempt: Option<Attempt>,
    pub(super) payloads: Payloads,
}

impl IntegrationExecutionService {
    /// Writes an outcome; when the store is away, goes on trying in the background and answers `false`.
    pub(super) async fn record(&self, outcome: Outcome) -> bool {
        match self.write(&outcome).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(log_id = %outcome.call, error = %Causes(&error), "the outcome is not written yet");
                let service = self.clone();
                let retrying = async move { service.keep_writing(outcome).await };
                self.calls.spawn(retrying.in_current_span());
                false
            }
        }
    }

    async fn keep_writing(&self, outcome: Outcome) {
        let end = Instant::now() + OUTCOME_PATIENCE;
        let mut last = String::new();
        while Instant::now() < end {
            tokio::time::sleep(OUTCOME_PAUSE).await;
            match self.write(&outcome).await {
                Ok(()) => {
                    tracing::info!(log_id = %outcome.call, "the outcome is written after all");
                    return;
                }
                Err(error @ StorageError::Unavailable(_)) => last = Causes(&error).to_string(),
                // The store is there and does not take it; it will not take it later either.
                Err(error) => {
                    last = Causes(&error).to_string();
                    break;
                }
            }
        }
        tracing::error!(log_id = %outcome.call, error = last, "the outcome is lost; the log stays InProgress");
    }

    async fn write(&self, outcome: &Outcome) -> Result<(), StorageError> {
        let Outcome { call, endpoint, completion, last_attempt, payloads } = outcome;
        self.storage.complete_call(*call, endpoint, completion, last_attempt.as_ref(), payloads).await
    }
}
