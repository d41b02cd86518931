//! What the service asks before and learns after every attempt of a call (RT-10, RT-11).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LeaseId, LogId};
use domain::integration_log::Attempt;
use domain::rate_limit;
use domain::repository::{Recorded, Storage};
use domain::retry::LEAST_ATTEMPT;
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::credential::{Proof, Renewal};
use super::limits::CallBounds;
use super::turnstile::Turnstile;
use super::{IntegrationExecutionService, payload};
use crate::error::Causes;
use crate::lease::LeaseKeeper;
use crate::ports::{AttemptGate, Credential, Passed};
use crate::redaction::{RedactionError, Redactor, Redactors};

/// How long the question of the intent, whether the connector is enabled, holds for the first attempt: the look-up of the
/// secret comes in between.
const QUESTION_HOLDS: Duration = Duration::from_secs(1);

/// The gate of one call.
pub(super) struct CallGate<'a> {
    storage: &'a dyn Storage,
    leases: &'a LeaseKeeper,
    bounds: CallBounds<'a>,
    shutdown: &'a CancellationToken,
    connector: ConnectorId,
    call: LogId,
    lease: LeaseId,
    begun: Instant,
    terms: Terms,
    turnstile: &'a Arc<Turnstile>,
    redactors: &'a Redactors,
    state: Mutex<State<'a>>,
}

/// What a call was begun under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The switching of the connector: another one means that it was disabled since.
    pub(super) switched_at: Option<DateTime<Utc>>,
    /// Whether even the first attempt has to ask for a permit: the connector has a rate limit, or is paused.
    pub(super) asks_first: bool,
    /// The longest time for one attempt.
    pub(super) attempt_timeout: Duration,
    /// The end of the call.
    pub(super) deadline: Instant,
}

#[derive(Default)]
struct State<'a> {
    started: u32,
    unsaved: Option<Attempt>,
    /// Every secret of the call, those that were renewed included, and what keeps them out.
    secrets: Vec<SecretString>,
    redactor: Option<Arc<Redactor>>,
    renewal: Option<Renewal<'a>>,
}

impl<'a> CallGate<'a> {
    pub(super) fn new(
        service: &'a IntegrationExecutionService,
        connector: ConnectorId,
        call: LogId,
        lease: LeaseId,
        terms: Terms,
    ) -> Self {
        Self {
            storage: service.storage.as_ref(),
            leases: &service.leases,
            bounds: service.limits.of_call(connector, terms.attempt_timeout),
            shutdown: &service.shutdown,
            connector,
            call,
            lease,
            begun: Instant::now(),
            terms,
            turnstile: &service.turnstile,
            redactors: &service.redactors,
            state: Mutex::default(),
        }
    }

    /// Waits for a permit. Without a limit and a pause there is none to wait for, but until a retry either may have come.
    async fn permit(&self, number: u32) -> Result<Passed, Failure> {
        if !self.terms.asks_first && number == 1 {
            return Ok(Passed::default());
        }
        // A permit that leaves no time for its attempt would be wasted.
        let until = self.terms.deadline.checked_sub(LEAST_ATTEMPT).unwrap_or(self.terms.deadline);
        tokio::select! {
            biased;
            failure = self.interrupted() => Err(failure),
            passed = self.turnstile.pass(self.connector, until) => passed,
        }
    }

    /// What an upstream asks of one call it asks of all (RT-7). A pause that cannot be written is of no consequence for
    /// the call.
    async fn heed(&self, attempt: &Attempt, failure: Option<&Failure>) {
        let asked = failure.and_then(|failure| failure.retry_after);
        let Some(pause) = rate_limit::pause_after(attempt.http_status_code, asked) else { return };
        match self.storage.pause(self.connector, pause).await {
            Ok(()) => tracing::info!(connector_id = %self.connector, seconds = pause.as_secs(), "connector paused"),
            Err(error) => tracing::error!(error = %Causes(&error), "cannot write the pause of a connector"),
        }
    }

    /// From now on these values, too, are kept out of what is told of the call.
    ///
    /// # Errors
    /// They cannot be searched for; nothing may go out with them then.
    pub(super) fn keep_out(&self, secrets: Vec<SecretString>) -> Result<(), RedactionError> {
        let mut state = self.state();
        state.secrets.extend(secrets);
        state.redactor = Some(self.redactors.knowing(&state.secrets)?);
        Ok(())
    }

    /// What to do about a 401, once.
    pub(super) fn renew_with(&self, renewal: Option<Renewal<'a>>) {
        self.state().renewal = renewal;
    }

    /// The redactor of everything that is known so far; before there is a secret, of telling names.
    pub(super) fn redactor(&self) -> Arc<Redactor> {
        self.state().redactor.clone().unwrap_or_else(|| Arc::new(Redactor::of_names()))
    }

    /// How many attempts were let go.
    pub(super) fn started(&self) -> u32 {
        self.state().started
    }

    /// The attempt that is to be written with the outcome.
    pub(super) fn take_unsaved(&self) -> Option<Attempt> {
        self.state().unsaved.take()
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redacted(&self, attempt: Attempt) -> Attempt {
        let redactor = self.redactor();
        let clean = |text: String| payload::storable(&redactor.text(&text));
        Attempt { error: attempt.error.map(|(code, message)| (code, clean(message))), ..attempt }
    }
}

#[async_trait]
impl AttemptGate for CallGate<'_> {
    async fn before(&self, number: u32) -> Result<Passed, Failure> {
        if self.shutdown.is_cancelled() {
            return Err(shutting_down());
        }
        if !self.leases.holds(self.lease) {
            return Err(lapsed());
        }
        self.bounds.would_admit()?;
        let passed = self.permit(number).await?;
        // The write of the intent has asked already, for a first attempt that follows it at once.
        if number > 1 || self.begun.elapsed() > QUESTION_HOLDS {
            match self.storage.is_enabled_since(self.connector, self.terms.switched_at).await {
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
        // The lease may have lapsed while the permit was waited for, and others tell the call's outcome by now.
        if !self.leases.holds(self.lease) {
            return Err(lapsed());
        }
        // An attempt that does not begin any more must not count as one that failed.
        if Instant::now() >= self.terms.deadline {
            let message = "the deadline passed before the attempt began; no (further) attempt was made";
            return Err(Failure::new(ErrorCode::DeadlineExceeded, message));
        }
        // The last question, since its answer holds for an attempt that begins at once.
        self.bounds.begin()?;
        self.state().started = number;
        Ok(passed)
    }

    async fn after(&self, attempt: Attempt, failure: Option<&Failure>, retrying: bool) -> Result<(), Failure> {
        let attempt = self.redacted(attempt);
        tracing::debug!(
            number = attempt.number,
            http_status = attempt.http_status_code,
            error_code = attempt.error.as_ref().map(|(code, _)| code.as_str()),
            retrying,
            "attempt ended"
        );
        self.heed(&attempt, failure).await;
        let bounds = self.bounds.end(&attempt, failure, retrying);
        if bounds.is_err() || !retrying {
            self.state().unsaved = Some(attempt);
            return bounds;
        }
        match self.storage.record_attempt(self.call, &attempt).await {
            Ok(Recorded::Kept) => Ok(()),
            Ok(Recorded::Refused) => {
                self.state().unsaved = Some(attempt);
                Err(lapsed())
            }
            Err(error) => {
                tracing::error!(error = %Causes(&error), "cannot write the attempt");
                let why = attempt.error.as_ref().map(|(code, message)| format!("{}: {message}", code.as_str()));
                self.state().unsaved = Some(attempt);
                Err(Failure { details: why, ..store_away() })
            }
        }
    }

    async fn renewed_credential(&self) -> Option<Credential> {
        let renewal = self.state().renewal.take()?;
        let renewed = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return None,
            renewed = renewal.renew() => renewed,
        };
        match renewed {
            Ok(Some(Proof { credential, secrets, .. })) => {
                let kept_out = self.keep_out(secrets);
                if let Err(error) = &kept_out {
                    tracing::error!(%error, "a renewed credential is not sent, since it could not be kept out of the traces");
                }
                kept_out.is_ok().then_some(credential)
            }
            Ok(None) => None,
            Err(failure) => {
                let error_code = failure.code.as_str();
                tracing::warn!(error_code, cause = failure.message, "the refused credential could not be renewed");
                None
            }
        }
    }

    async fn interrupted(&self) -> Failure {
        self.shutdown.cancelled().await;
        shutting_down()
    }
}

pub(super) fn shutting_down() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the service is shutting down; no further attempt was made")
}

/// The process was stopped, or cut off from the store, for so long that others take it for dead.
pub(super) fn lapsed() -> Failure {
    let message = "this process lost its lease on the call; no further attempt was made";
    Failure { retryable: true, ..Failure::new(ErrorCode::InternalError, message) }
}

pub(super) fn store_away() -> Failure {
    let message = "the service could not reach its store; no further attempt was made";
    Failure { retryable: true, ..Failure::new(ErrorCode::InternalError, message) }
}
