//! What bounds the calls of this process: how many there are at once, the breakers, and the retry quotas.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::circuit_breaker::CircuitState;
use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use domain::integration_log::Attempt;

use super::breakers::{Breakers, Leave};
use super::quotas::{Quotas, Retries};
use super::slots::Slots;

/// What a deployment decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls at once over all connectors.
    pub max_concurrent_calls: usize,
    /// Calls at once through one connector.
    pub max_concurrent_calls_per_connector: usize,
    /// Whether upstreams that keep failing are left alone.
    pub circuit_breaker: bool,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { max_concurrent_calls: 500, max_concurrent_calls_per_connector: 25, circuit_breaker: true }
    }
}

/// What holds for the next call through a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The state of its circuit breaker; `None` where the deployment wants none.
    pub circuit: Option<CircuitState>,
    /// What is left of its retry quota.
    pub retry_quota_left: u32,
}

/// How many calls this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Those that hold a place.
    pub in_flight: usize,
    /// Those that hold none.
    pub waiting: usize,
}

/// The bounds at work. They are of this process alone, and start anew with it.
pub(super) struct Limits {
    pub(super) slots: Slots,
    breakers: Breakers,
    quotas: Quotas,
}

/// The breaker and the quota as one call meets them, attempt by attempt.
pub(super) struct CallBounds<'a> {
    breakers: &'a Breakers,
    connector: ConnectorId,
    attempt_timeout: Duration,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    /// For the attempt under way.
    leave: Option<Leave<'a>>,
    retries: Retries<'a>,
    /// Why the last attempt failed.
    last: Option<String>,
}

impl Limits {
    pub(super) fn new(limits: CallLimits) -> Self {
        Self {
            slots: Slots::new(limits.max_concurrent_calls_per_connector, limits.max_concurrent_calls),
            breakers: Breakers::new(limits.circuit_breaker),
            quotas: Quotas::default(),
        }
    }

    /// The connectors of which there is anything to see.
    pub(super) fn watched(&self) -> BTreeSet<ConnectorId> {
        self.breakers.connectors().into_iter().chain(self.quotas.connectors()).collect()
    }

    pub(super) fn look(&self, connector: ConnectorId) -> Bounds {
        Bounds { circuit: self.breakers.state(connector), retry_quota_left: self.quotas.left(connector) }
    }

    pub(super) fn of_call(&self, connector: ConnectorId, attempt_timeout: Duration) -> CallBounds<'_> {
        let state = State { leave: None, retries: self.quotas.retries(connector), last: None };
        CallBounds { breakers: &self.breakers, connector, attempt_timeout, state: Mutex::new(state) }
    }
}

impl<'a> CallBounds<'a> {
    /// Whether it is worth while to wait for anything else before the next attempt.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(super) fn would_admit(&self) -> Result<(), Failure> {
        self.breakers.would_admit(self.connector).map_err(|failure| self.explained(failure))
    }

    /// The next attempt begins at once, if it may.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        let leave = self.breakers.admit(self.connector).map_err(|failure| self.explained(failure))?;
        let mut state = self.state();
        state.leave = Some(leave);
        state.retries.begin();
        Ok(())
    }

    /// An attempt ended. With `retrying` another one is planned, and paid for.
    ///
    /// # Errors
    /// `retry-quota-exhausted`.
    pub(super) fn end(&self, attempt: &Attempt, failure: Option<&Failure>, retrying: bool) -> Result<(), Failure> {
        let mut state = self.state();
        if let Some(leave) = state.leave.take() {
            // The call's own end cut it off, before the upstream had half of the time that attempts have.
            let cut_short = failure.is_some_and(|failure| failure.code == ErrorCode::DeadlineExceeded)
                && attempt.duration < self.attempt_timeout / 2;
            if cut_short { leave.say_nothing() } else { leave.report(failure) }
        }
        let Some(failure) = failure else {
            state.retries.succeeded();
            return Ok(());
        };
        state.last = Some(failure.message.clone());
        if retrying { state.retries.plan(attempt, failure) } else { Ok(()) }
    }

    fn explained(&self, open: Failure) -> Failure {
        match &self.state().last {
            Some(last) => Failure { message: format!("{}, after: {last}", open.message), ..open },
            None => open,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
