//! The circuit breakers of this process, one per connector (RL-5).

use domain::circuit_breaker::{AttemptHealth, CircuitBreaker, CircuitState, Pass, Refused};
use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use tokio::time::Instant;

use super::per_connector::PerConnector;

/// The breakers; or none, where the deployment wants none.
pub(super) struct Breakers {
    breakers: Option<PerConnector<CircuitBreaker>>,
}

/// The leave for one attempt. One that is dropped without a report counts as a failure: the request may have left, and a
/// probe must not give its place to another then.
pub(super) struct Leave<'a> {
    breakers: &'a Breakers,
    connector: ConnectorId,
    pass: Option<Pass>,
}

impl Breakers {
    pub(super) fn new(switched_on: bool) -> Self {
        Self { breakers: switched_on.then(PerConnector::default) }
    }

    /// The state of the connector's breaker; `None` where there are none.
    pub(super) fn state(&self, connector: ConnectorId) -> Option<CircuitState> {
        let breakers = self.breakers.as_ref()?;
        let state = breakers.look(connector, |breaker| breaker.state(Instant::now().into_std()));
        Some(state.unwrap_or(CircuitState::Closed))
    }

    /// The connectors that have a breaker.
    pub(super) fn connectors(&self) -> Vec<ConnectorId> {
        self.breakers.as_ref().map(PerConnector::connectors).unwrap_or_default()
    }

    /// Whether it is worth while to wait for anything else before an attempt.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(super) fn would_admit(&self, connector: ConnectorId) -> Result<(), Failure> {
        let Some(breakers) = &self.breakers else { return Ok(()) };
        breakers.with(connector, |breaker| breaker.would_admit(Instant::now().into_std())).map_err(open)
    }

    /// Lets an attempt go, which has to begin at once.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(super) fn admit(&self, connector: ConnectorId) -> Result<Leave<'_>, Failure> {
        let pass = match &self.breakers {
            Some(breakers) => {
                let admitted = breakers.with(connector, |breaker| breaker.admit(Instant::now().into_std()));
                Some(admitted.map_err(open)?)
            }
            None => None,
        };
        Ok(Leave { breakers: self, connector, pass })
    }
}

impl Leave<'_> {
    /// The attempt ended without a failure, or with this one.
    pub(super) fn report(mut self, failure: Option<&Failure>) {
        let transient = failure.is_some_and(|failure| failure.retryable);
        self.end(if transient { AttemptHealth::Failing } else { AttemptHealth::Well });
    }

    /// How the attempt ended says nothing about the upstream.
    pub(super) fn say_nothing(mut self) {
        self.end(AttemptHealth::NotMade);
    }

    fn end(&mut self, health: AttemptHealth) {
        let (Some(breakers), Some(pass)) = (&self.breakers.breakers, self.pass.take()) else { return };
        let now = Instant::now().into_std();
        let became = breakers.with(self.connector, |breaker| breaker.report(pass, health, now));
        match became {
            Some(CircuitState::Open) => {
                tracing::warn!(connector_id = %self.connector, "the circuit breaker opened: the upstream keeps failing");
            }
            Some(_) => tracing::info!(connector_id = %self.connector, "the circuit breaker closed"),
            None => {}
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.end(AttemptHealth::Failing);
    }
}

fn open(refused: Refused) -> Failure {
    let message = match refused.retry_after {
        Some(_) => {
            "the connector's circuit breaker is open, since its upstream keeps failing; no (further) attempt was made"
        }
        None => {
            "the connector's circuit breaker is half open, and other calls probe the upstream; no (further) attempt was made"
        }
    };
    Failure { retry_after: refused.retry_after, ..Failure::new(ErrorCode::CircuitOpen, message) }
}
