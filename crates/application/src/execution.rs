//! Executing calls: skip, record, retry, redact, map. The mechanics of HTTP are behind [`CallExecutor`].

mod answer;
mod credential;
mod gate;
mod judgement;
mod payload;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::call::{Call, CallDraft};
use domain::connector::{Connector, ConnectorStatus};
use domain::error::StorageError;
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{Attempt, CallIntent, Completion, IntegrationLog, IntegrationStatus, Payloads};
use domain::mapping::MappingOutcome;
use domain::repository::{Begun, Storage};
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use self::answer::{AnsweredBody, AnsweredResponse};
use self::credential::Proof;
use self::gate::CallGate;
use self::judgement::Judgement;
use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::{CallExecutor, CallPlan, Clock, Ids, SecretStore};
use crate::redaction::Redactor;

/// How long an outcome is kept trying while the store is away (DU-4).
const OUTCOME_PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two tries to write an outcome.
const OUTCOME_PAUSE: Duration = Duration::from_millis(500);

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
        Self { storage, secrets, executor, clock, ids, shutdown, calls: TaskTracker::new() }
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
            endpoint: call.endpoint.clone(),
            initiated_by: context.principal.actor.name.clone(),
            started_at: self.clock.now(),
        }
    }
}

/// One call on its way.
struct Running {
    service: IntegrationExecutionService,
    context: RequestContext,
    connector: Connector,
    call: Call,
    intent: CallIntent,
    begun: Instant,
}

/// What is known at the end of a call, before it is recorded.
struct Ending {
    status: IntegrationStatus,
    failure: Option<Failure>,
    attempts: u32,
    last_attempt: Option<Attempt>,
    answer: Option<AnsweredResponse>,
    mapping: Option<MappingOutcome>,
    payloads: Payloads,
}

impl Running {
    async fn run(self) -> Result<Execution, Error> {
        if self.connector.switch.status == ConnectorStatus::Disabled {
            return self.skip().await;
        }
        match self.service.storage.begin_call(&self.intent).await? {
            Begun::NotEnabled => self.skip().await,
            Begun::InProgress => {
                let gate = CallGate::new(&self.service, &self.intent);
                let ending = AssertUnwindSafe(self.call_upstream(&gate)).catch_unwind().await;
                let ending = ending.unwrap_or_else(|_| panicked(&gate));
                Ok(self.finish(ending).await)
            }
        }
    }

    /// No outbound call and no look-up of the secret; only the record.
    async fn skip(self) -> Result<Execution, Error> {
        let failure = Failure::new(ErrorCode::ConnectorDisabled, "the connector is disabled; nothing was sent");
        let completion = self.completion(IntegrationStatus::Skipped, None, 0, Some(failure));
        self.service.storage.skip_call(&self.intent, &completion).await?;
        tracing::info!(log_id = %self.intent.id, connector_id = %self.intent.connector_id, "call skipped");
        let log = IntegrationLog::completed(self.intent, completion);
        Ok(Execution { log, response: None, mapping: None, recorded: true })
    }

    async fn call_upstream(&self, gate: &CallGate<'_>) -> Ending {
        let deadline = self.begun + self.connector.settings.deadline;
        let proof = match Proof::obtain(&self.connector, self.service.secrets.as_ref(), deadline).await {
            Ok(proof) => proof,
            Err(failure) => return Ending::without_answer(failure, gate),
        };
        let redactor = Arc::new(Redactor::knowing(proof.secrets()));
        gate.redact_with(Arc::clone(&redactor));
        let plan = self.plan(proof, deadline);
        let request = payload::request(&plan, &redactor);
        let report = self.service.executor.run(&plan, gate).await;
        let attempts = report.attempts;
        let mapping = self.call.apply_mapping.then(|| self.connector.settings.mapping_configuration.clone());
        let Judgement { failure, answer, mapping } = Judgement::reach(report, redactor, mapping).await;
        Ending {
            status: if failure.is_none() { IntegrationStatus::Success } else { IntegrationStatus::Failed },
            failure,
            attempts,
            last_attempt: gate.take_unsaved(),
            payloads: Payloads { request: Some(request), response: answer.as_ref().map(payload::response) },
            answer,
            mapping,
        }
    }

    fn plan(&self, proof: Proof, deadline: Instant) -> CallPlan {
        let settings = &self.connector.settings;
        let key = settings.idempotency_key_header.as_ref();
        CallPlan {
            method: self.call.method,
            url: self.call.url.clone(),
            headers: self.call.headers.clone(),
            body: self.call.body.as_ref().map(|body| body.to_string().into_bytes()),
            credential: proof.into_credential(),
            idempotency_key: key.map(|header| (header.clone(), self.intent.id.to_string())),
            correlation_id: self.context.correlation_id.clone(),
            trace: self.context.trace.clone(),
            retry: settings.retry.clone(),
            attempt_timeout: settings.attempt_timeout,
            deadline,
        }
    }

    async fn finish(self, ending: Ending) -> Execution {
        let status_code = ending.answer.as_ref().map(|answer| answer.status_code);
        let completion = self.completion(ending.status, status_code, ending.attempts, ending.failure);
        log_outcome(&self.intent, &completion);
        let outcome = Outcome {
            call: self.intent.id,
            completion: completion.clone(),
            last_attempt: ending.last_attempt,
            payloads: ending.payloads,
        };
        let recorded = self.service.record(outcome).await;
        let log = IntegrationLog::completed(self.intent, completion);
        Execution { log, response: ending.answer, mapping: ending.mapping, recorded }
    }

    fn completion(
        &self,
        status: IntegrationStatus,
        http_status_code: Option<u16>,
        attempt_count: u32,
        failure: Option<Failure>,
    ) -> Completion {
        Completion {
            status,
            http_status_code,
            attempt_count,
            failure,
            duration: self.begun.elapsed(),
            completed_at: self.service.clock.now(),
        }
    }
}

impl Ending {
    fn without_answer(failure: Failure, gate: &CallGate<'_>) -> Self {
        Self {
            status: IntegrationStatus::Failed,
            failure: Some(failure),
            attempts: gate.started(),
            last_attempt: gate.take_unsaved(),
            answer: None,
            mapping: None,
            payloads: Payloads::default(),
        }
    }
}

/// DU-7: the process lives, and the row says what happened.
fn panicked(gate: &CallGate<'_>) -> Ending {
    tracing::error!("a call panicked");
    let message = "this service failed during the call; its log has the details under the correlation id";
    Ending::without_answer(Failure::new(ErrorCode::InternalError, message), gate)
}

fn log_outcome(intent: &CallIntent, completion: &Completion) {
    let error_code = completion.failure.as_ref().map(|failure| failure.code.as_str());
    tracing::info!(
        log_id = %intent.id,
        connector_id = %intent.connector_id,
        status = completion.status.as_str(),
        attempts = completion.attempt_count,
        duration_ms = u64::try_from(completion.duration.as_millis()).unwrap_or(u64::MAX),
        error_code,
        "call completed"
    );
}

/// The outcome of a call, to be written.
struct Outcome {
    call: LogId,
    completion: Completion,
    last_attempt: Option<Attempt>,
    payloads: Payloads,
}

impl IntegrationExecutionService {
    /// Writes an outcome; when the store is away, goes on trying in the background and answers `false`.
    async fn record(&self, outcome: Outcome) -> bool {
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
        while Instant::now() < end {
            tokio::time::sleep(OUTCOME_PAUSE).await;
            if self.write(&outcome).await.is_ok() {
                tracing::info!(log_id = %outcome.call, "the outcome is written after all");
                return;
            }
        }
        tracing::error!(log_id = %outcome.call, "the outcome is lost; the log stays InProgress");
    }

    async fn write(&self, outcome: &Outcome) -> Result<(), StorageError> {
        let Outcome { call, completion, last_attempt, payloads } = outcome;
        self.storage.complete_call(*call, completion, last_attempt.as_ref(), payloads).await
    }
}

/// An error with its causes, for the log.
struct Causes<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
