//! Executing calls: skip, record, retry, redact, map. The mechanics of HTTP are behind [`CallExecutor`].

mod answer;
mod beginning;
mod breakers;
mod connection_test;
mod credential;
mod gate;
mod judgement;
mod known;
mod limits;
mod lookup;
mod named;
mod outcome;
mod payload;
mod per_connector;
mod quotas;
mod response;
mod running;
mod slots;
mod turnstile;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::call::{Call, CallDraft};
use domain::connector::Connector;
use domain::failure::Failure;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{CallIntent, Completion, IntegrationLog, IntegrationStatus};
use domain::mapping::MappingOutcome;
use domain::repository::Storage;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use self::beginning::Beginning;
pub use self::connection_test::{ConnectionTest, ConnectionTestService, StepName, StepStatus, TestStep};
pub use self::credential::CredentialSources;
use self::known::KnownConnectors;
use self::limits::Limits;
pub use self::limits::{Bounds, CallLimits, Load};
use self::lookup::Lookups;
use self::named::{Ended, Named};
pub use self::response::{AnsweredBody, AnsweredResponse, JsonText};
use self::turnstile::Turnstile;
use crate::context::RequestContext;
use crate::error::Error;
use crate::idempotency::{Once, OnceAnswer};
use crate::lease::LeaseKeeper;
use crate::ports::{CallExecutor, Clock, Ids, Meter, Unmetered};
use crate::redaction::{Redactor, Redactors};

/// How many large answers are read and mapped at the same time: each takes many times its size in memory.
const JUDGED_AT_ONCE: usize = 2;

/// What a call came to. Everything in it is redacted.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The record of the call.
    pub log: IntegrationLog,
    /// The upstream's last answer, if one came.
    pub response: Option<AnsweredResponse>,
    /// The mapped records, where the mapping was asked for and the call was a success.
    pub mapping: Option<MappingOutcome>,
    /// Whether the outcome is durable; when not, it is still being written.
    pub recorded: bool,
}

/// The execution service: checks that the connector is enabled, records the call before its first byte, lets the
/// executor make the attempts, and records the outcome whatever it is.
#[derive(Clone)]
pub struct IntegrationExecutionService {
    storage: Arc<dyn Storage>,
    sources: CredentialSources,
    executor: Arc<dyn CallExecutor>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    meter: Arc<dyn Meter>,
    leases: Arc<LeaseKeeper>,
    known: KnownConnectors,
    lookups: Arc<Lookups>,
    limits: Arc<Limits>,
    turnstile: Arc<Turnstile>,
    redactors: Arc<Redactors>,
    shutdown: CancellationToken,
    calls: TaskTracker,
    judging: Arc<Semaphore>,
}

impl IntegrationExecutionService {
    /// The service over its ports. Once `shutdown` is cancelled no call waits for a further attempt.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        sources: CredentialSources,
        executor: Arc<dyn CallExecutor>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        leases: Arc<LeaseKeeper>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            lookups: Arc::new(Lookups::new(storage.clone())),
            limits: Arc::new(Limits::new(CallLimits::default())),
            turnstile: Arc::new(Turnstile::new(storage.clone())),
            redactors: Arc::default(),
            storage,
            sources,
            executor,
            clock,
            ids,
            meter: Arc::new(Unmetered),
            leases,
            known: KnownConnectors::default(),
            shutdown,
            calls: TaskTracker::new(),
            judging: Arc::new(Semaphore::new(JUDGED_AT_ONCE)),
        }
    }

    /// The same service with these limits instead of the usual ones.
    #[must_use]
    pub fn limited(mut self, limits: CallLimits) -> Self {
        self.limits = Arc::new(Limits::new(limits));
        self
    }

    /// The same service, whose calls are counted there.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = meter;
        self
    }

    /// Executes one call to its end, which the caller need not wait for: a call that was begun is finished and recorded
    /// when its caller goes away (RT-13).
    ///
    /// # Errors
    /// In this order: [`Error::ConnectorNotFound`], [`Error::Invalid`] with every fault; or that the store is
    /// unavailable, in which case nothing was sent. A call that failed is no error: its log says so.
    pub async fn execute(
        self: &Arc<Self>,
        context: &RequestContext,
        id: ConnectorId,
        draft: CallDraft,
    ) -> Result<Execution, Error> {
        match self.begin(context, id, draft, None).await? {
            Ended::Now(execution) => Ok(*execution),
            Ended::Before(_) => unreachable!("a call without a key has no earlier answer"),
        }
    }

    /// Executes a call under a request that names itself; a repetition is answered as it was the first time, and the
    /// call is made once.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`], [`Error::IdempotencyKeyInFlight`], or as [`Self::execute`].
    pub async fn execute_once(
        self: &Arc<Self>,
        context: &RequestContext,
        id: ConnectorId,
        draft: CallDraft,
        once: &Once<Execution>,
    ) -> Result<OnceAnswer, Error> {
        let named = Named { claim: once.claim(context, self.clock.as_ref()), render: Arc::clone(&once.render) };
        Ok(match self.begin(context, id, draft, Some(named)).await? {
            Ended::Now(execution) => OnceAnswer::fresh((once.render)(*execution)),
            Ended::Before(answer) => OnceAnswer::replayed(answer),
        })
    }

    async fn begin(
        self: &Arc<Self>,
        context: &RequestContext,
        id: ConnectorId,
        draft: CallDraft,
        named: Option<Named>,
    ) -> Result<Ended, Error> {
        let (begun, came) = (Instant::now(), self.clock.now());
        if !context.principal.scope.contains(id) {
            return Err(Error::ConnectorNotFound);
        }
        let beginning =
            Beginning { service: Arc::clone(self), context: context.clone(), id, draft, begun, came, named };
        let task = self.calls.spawn(beginning.run().in_current_span());
        task.await.map_err(|error| Error::Internal(Box::new(error)))?
    }

    /// What holds for the next call of this process through the connector.
    #[must_use]
    pub fn bounds(&self, connector: ConnectorId) -> Bounds {
        self.limits.look(connector)
    }

    /// The same of every connector that this process has called of late.
    #[must_use]
    pub fn watched(&self) -> Vec<(ConnectorId, Bounds)> {
        self.limits.watched().into_iter().map(|connector| (connector, self.bounds(connector))).collect()
    }

    /// How many calls there are at this moment.
    #[must_use]
    pub fn load(&self) -> Load {
        let in_flight = self.limits.slots.taken();
        Load { in_flight, waiting: self.calls.len().saturating_sub(in_flight) }
    }

    /// Waits until every call has ended and every outcome is written or given up.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    fn intent(&self, context: &RequestContext, connector: &Connector, call: &Call, came: DateTime<Utc>) -> CallIntent {
        CallIntent {
            id: LogId::new(self.ids.uuid()),
            connector_id: Some(connector.id),
            connector_name: connector.settings.name.as_str().to_owned(),
            correlation_id: context.correlation_id.clone(),
            trace_id: context.trace.trace_id,
            operation_type: call.operation_type,
            method: call.method,
            // The request itself goes to `call.url`.
            endpoint: Redactor::of_names().text(&call.endpoint),
            initiated_by: context.principal.actor.name.clone(),
            started_at: came,
        }
    }

    fn completion(
        &self,
        begun: Instant,
        status: IntegrationStatus,
        http_status_code: Option<u16>,
        attempt_count: u32,
        failure: Option<Failure>,
    ) -> Completion {
        let duration = begun.elapsed();
        Completion { status, http_status_code, attempt_count, failure, duration, completed_at: self.clock.now() }
    }
}
