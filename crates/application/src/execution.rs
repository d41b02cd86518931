//! Executing calls: skip, record, retry, redact, map. The mechanics of HTTP are behind [`CallExecutor`].

mod answer;
mod credential;
mod gate;
mod judgement;
mod outcome;
mod payload;
mod response;
mod running;

use std::sync::Arc;

use domain::call::{Call, CallDraft};
use domain::connector::Connector;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{CallIntent, IntegrationLog};
use domain::mapping::MappingOutcome;
use domain::repository::Storage;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use self::response::{AnsweredBody, AnsweredResponse};
use self::running::Running;
use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::{CallExecutor, Clock, Ids, SecretStore};
use crate::redaction::Redactor;

/// How many large answers are read and mapped at the same time: each takes many times its size in memory.
const JUDGED_AT_ONCE: usize = 2;

/// What a call came to. Everything in it is redacted.
#[derive(Debug)]
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
    secrets: Arc<dyn SecretStore>,
    executor: Arc<dyn CallExecutor>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    shutdown: CancellationToken,
    calls: TaskTracker,
    judging: Arc<Semaphore>,
}

impl IntegrationExecutionService {
    /// The service over its ports. Once `shutdown` is cancelled no call waits for a further attempt.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        secrets: Arc<dyn SecretStore>,
        executor: Arc<dyn CallExecutor>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            storage,
            secrets,
            executor,
            clock,
            ids,
            shutdown,
            calls: TaskTracker::new(),
            judging: Arc::new(Semaphore::new(JUDGED_AT_ONCE)),
        }
    }

    /// Executes one call to its end, which the caller need not wait for: a call that was begun is finished and recorded
    /// when its caller goes away (RT-13).
    ///
    /// # Errors
    /// In this order: [`Error::ConnectorNotFound`], [`Error::Invalid`] with every fault; or that the store is
    /// unavailable, in which case nothing was sent. A call that failed is no error: its log says so.
    pub async fn execute(
        &self,
        context: &RequestContext,
        id: ConnectorId,
        draft: CallDraft,
    ) -> Result<Execution, Error> {
        let begun = Instant::now();
        if !context.principal.scope.contains(id) {
            return Err(Error::ConnectorNotFound);
        }
        let connector = self.storage.find_connector(id).await?.ok_or(Error::ConnectorNotFound)?;
        let call = draft.parse(&connector)?;
        let running = Running {
            service: self.clone(),
            intent: self.intent(context, &connector, &call),
            context: context.clone(),
            connector,
            call,
            begun,
        };
        let task = self.calls.spawn(running.run().in_current_span());
        task.await.map_err(|error| Error::Internal(Box::new(error)))?
    }

    /// Waits until every call has ended and every outcome is written or given up.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    fn intent(&self, context: &RequestContext, connector: &Connector, call: &Call) -> CallIntent {
        CallIntent {
            id: LogId::new(self.ids.uuid()),
            connector_id: connector.id,
            connector_name: connector.settings.name.as_str().to_owned(),
            correlation_id: context.correlation_id.clone(),
            trace_id: context.trace.trace_id,
            operation_type: call.operation_type,
            method: call.method,
            // The request itself goes to `call.url`.
            endpoint: Redactor::of_names().text(&call.endpoint),
            initiated_by: context.principal.actor.name.clone(),
            started_at: self.clock.now(),
        }
    }
}
