//! What the service asks before and learns after every attempt of a call (RT-10, RT-11).

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{Attempt, CallIntent};
use domain::repository::Storage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{IntegrationExecutionService, payload};
use crate::error::Causes;
use crate::ports::{AttemptGate, Credential, Passed};
use crate::redaction::Redactor;

/// How long the question of the intent, whether the connector is enabled, holds for the first attempt: the look-up of the
/// secret comes in between.
const QUESTION_HOLDS: Duration = Duration::from_secs(1);

/// The gate of one call.
pub(super) struct CallGate<'a> {
    storage: &'a dyn Storage,
    shutdown: &'a CancellationToken,
    connector: ConnectorId,
    call: LogId,
    begun: Instant,
    /// The switching that the call was begun under: another one means that the connector was disabled since.
    switched_at: Option<DateTime<Utc>>,
    redactor: OnceLock<Arc<Redactor>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: u32,
    unsaved: Option<Attempt>,
}

impl<'a> CallGate<'a> {
    pub(super) fn new(
        service: &'a IntegrationExecutionService,
        intent: &CallIntent,
        switched_at: Option<DateTime<Utc>>,
    ) -> Self {
        Self {
            storage: service.storage.as_ref(),
            shutdown: &service.shutdown,
            connector: intent.connector_id,
            call: intent.id,
            begun: Instant::now(),
            switched_at,
            redactor: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// From now on the texts of attempts are redacted with `redactor`, which comes back to be shared.
    pub(super) fn redact_with(&self, redactor: Redactor) -> Arc<Redactor> {
        Arc::clone(self.redactor.get_or_init(|| Arc::new(redactor)))
    }

    /// The redactor, once the secret is known.
    pub(super) fn redactor(&self) -> Option<Arc<Redactor>> {
        self.redactor.get().cloned()
    }

    /// How many attempts were let go.
    pub(super) fn started(&self) -> u32 {
        self.state().started
    }

    /// The attempt that is to be written with the outcome.
    pub(super) fn take_unsaved(&self) -> Option<Attempt> {
        self.state().unsaved.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redacted(&self, attempt: Attempt) -> Attempt {
        let clean = |text: String| match self.redactor.get() {
            Some(redactor) => payload::storable(&redactor.text(&text)),
            None => payload::storable(&text),
        };
        Attempt { error: attempt.error.map(|(code, message)| (code, clean(message))), ..attempt }
    }
}

#[async_trait]
impl AttemptGate for CallGate<'_> {
    async fn before(&self, number: u32) -> Result<Passed, Failure> {
        if self.shutdown.is_cancelled() {
            return Err(shutting_down());
        }
        // The write of the intent has asked already, for a first attempt that follows it at once.
        if number > 1 || self.begun.elapsed() > QUESTION_HOLDS {
            match self.storage.is_enabled_since(self.connector, self.switched_at).await {
                Ok(true) => {}
                Ok(false) => {
                    let message = "the connector was disabled or deleted; no further attempt was made";
                    return Err(Failure::new(ErrorCode::ConnectorDisabled, message));
                }
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "cannot ask whether the connector is still enabled");
                    return Err(store_away());
                }
            }
        }
        self.state().started = number;
        Ok(Passed::default())
    }

    async fn after(&self, attempt: Attempt, _failure: Option<&Failure>, retrying: bool) -> Result<(), Failure> {
        let attempt = self.redacted(attempt);
        tracing::debug!(
            number = attempt.number,
            http_status = attempt.http_status_code,
            error_code = attempt.error.as_ref().map(|(code, _)| code.as_str()),
            retrying,
            "attempt ended"
        );
        if !retrying {
            self.state().unsaved = Some(attempt);
            return Ok(());
        }
        match self.storage.record_attempt(self.call, &attempt).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(error = %Causes(&error), "cannot write the attempt");
                let why = attempt.error.as_ref().map(|(code, message)| format!("{}: {message}", code.as_str()));
                self.state().unsaved = Some(attempt);
                Err(Failure { details: why, ..store_away() })
            }
        }
    }

    async fn renewed_credential(&self) -> Option<Credential> {
        None
    }

    async fn interrupted(&self) -> Failure {
        self.shutdown.cancelled().await;
        shutting_down()
    }
}

fn shutting_down() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the service is shutting down; no further attempt was made")
}

fn store_away() -> Failure {
    let message = "the service could not reach its store; no further attempt was made";
    Failure { retryable: true, ..Failure::new(ErrorCode::InternalError, message) }
}
