//! Testing connections: one request to the base URL of a connector, step by step, so that whoever configures it learns
//! where the way ends and what to look at. Also while the connector is disabled, and before it is registered.

mod course;
mod detail;
mod testing;

use std::sync::Arc;
use std::time::Duration;

use domain::access::Permission;
use domain::connector::{Connector, ConnectorDraft};
use domain::destination::DestinationPolicy;
use domain::id::ConnectorId;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use self::testing::Testing;
use super::IntegrationExecutionService;
use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::ConnectionProbe;

/// How many connections this process tests at once. Tests do not take the places of calls, and none of theirs.
const AT_ONCE: usize = 20;

/// A part of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepName {
    /// The configuration is valid and leads where this deployment calls.
    Configuration,
    /// The secret is there, and where the connector wants one, a token for it.
    Secret,
    /// The host name leads to addresses that this deployment calls.
    Dns,
    /// A connection with TLS comes about.
    Tls,
    /// The upstream answers with a success.
    Http,
}

impl StepName {
    /// Every step, in order.
    pub const ALL: [Self; 5] = [Self::Configuration, Self::Secret, Self::Dns, Self::Tls, Self::Http];

    /// The step as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Secret => "secret",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// As it should.
    Passed,
    /// The test ended with it.
    Failed,
    /// There was nothing to try, or an earlier step failed.
    NotRun,
}

impl StepStatus {
    /// The status as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::NotRun => "NotRun",
        }
    }
}

/// A part of a test, and how it ended. Redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStep {
    /// Which one.
    pub name: StepName,
    /// How it ended.
    pub status: StepStatus,
    /// How long it took.
    pub duration: Duration,
    /// What happened, and after a failure what to look at.
    pub detail: String,
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionTest {
    /// Every step, in order.
    pub steps: Vec<TestStep>,
    /// How long all of it took.
    pub duration: Duration,
}

impl ConnectionTest {
    /// Whether nothing failed.
    #[must_use]
    pub fn success(&self) -> bool {
        self.steps.iter().all(|step| step.status != StepStatus::Failed)
    }
}

/// The use case of testing connections. A test is a call with a record of its own, begun before its first byte; it makes
/// one attempt, and none again.
#[derive(Clone)]
pub struct ConnectionTestService {
    calls: Arc<IntegrationExecutionService>,
    probe: Arc<dyn ConnectionProbe>,
    destinations: DestinationPolicy,
    places: Arc<Semaphore>,
}

impl ConnectionTestService {
    /// The service beside the one of calls, with which it shares the records, the rate limits and the end.
    #[must_use]
    pub fn new(
        calls: Arc<IntegrationExecutionService>,
        probe: Arc<dyn ConnectionProbe>,
        destinations: DestinationPolicy,
    ) -> Self {
        Self { calls, probe, destinations, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Tests a registered connector, whether it is enabled or not. The attempt counts against its rate limit and heeds
    /// a pause; an open circuit breaker does not stop it.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], or that the store is unavailable, in which case nothing was sent. A test that
    /// failed is no error.
    pub async fn test(&self, context: &RequestContext, id: ConnectorId) -> Result<ConnectionTest, Error> {
        let begun = Instant::now();
        if !context.principal.scope.contains(id) {
            return Err(Error::ConnectorNotFound);
        }
        let connector = self.calls.storage.find_connector(id).await?.ok_or(Error::ConnectorNotFound)?;
        self.run(context, begun, Some(id), connector).await
    }

    /// Tests a connector that is not registered, and stays so.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the configuration; [`Error::SecretOfDraft`] where the caller may not
    /// decide which secret goes to which address; or that the store is unavailable, in which case nothing was sent.
    pub async fn test_draft(
        &self,
        context: &RequestContext,
        mut draft: ConnectorDraft,
    ) -> Result<ConnectionTest, Error> {
        let begun = Instant::now();
        draft.refuse_raw_secrets();
        let settings = draft.parse()?;
        if settings.authentication.secret().is_some() && !context.principal.role.allows(Permission::Configure) {
            return Err(Error::SecretOfDraft);
        }
        // An id of its own, under which nothing is remembered: neither a token nor a limit.
        let id = ConnectorId::new(self.calls.ids.uuid());
        let connector = Connector::register(id, settings, &context.act(self.calls.clock.as_ref())).into_connector();
        self.run(context, begun, None, connector).await
    }

    /// A test that was begun is ended and recorded when its caller goes away (RT-13).
    async fn run(
        &self,
        context: &RequestContext,
        begun: Instant,
        registered: Option<ConnectorId>,
        connector: Connector,
    ) -> Result<ConnectionTest, Error> {
        let testing = Testing { service: self.clone(), context: context.clone(), begun, registered, connector };
        let task = self.calls.calls.spawn(testing.run().in_current_span());
        task.await.map_err(|error| Error::Internal(Box::new(error)))?
    }
}
