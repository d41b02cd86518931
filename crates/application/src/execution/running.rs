//! One call on its way, from its intent to its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use domain::call::Call;
use domain::connector::Connector;
use domain::failure::{ErrorCode, Failure};
use domain::id::LeaseId;
use domain::integration_log::{Attempt, CallIntent, Completion, IntegrationLog, IntegrationStatus, Outcome, Payloads};
use domain::mapping::MappingOutcome;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::credential::{Proof, Way};
use super::gate::{CallGate, Terms};
use super::judgement::Judgement;
use super::named::Named;
use super::outcome::CallEnd;
use super::response::AnsweredResponse;
use super::{Execution, IntegrationExecutionService, payload};
use crate::context::RequestContext;
use crate::ports::{AttemptGate, CallPlan, Credential};

/// One call on its way.
pub(super) struct Running {
    pub(super) service: Arc<IntegrationExecutionService>,
    pub(super) context: RequestContext,
    pub(super) connector: Arc<Connector>,
    pub(super) call: Call,
    pub(super) intent: CallIntent,
    /// The lease that it was begun under.
    pub(super) lease: LeaseId,
    /// Whether the upstream has asked for a pause, as the store knew when the call was begun.
    pub(super) paused: bool,
    pub(super) begun: Instant,
    /// The request, if it names itself.
    pub(super) named: Option<Named>,
}

/// What is known at the end of a call, before it is recorded.
struct Ending {
    status: IntegrationStatus,
    failure: Option<Failure>,
    attempts: u32,
    http_status_code: Option<u16>,
    last_attempt: Option<Attempt>,
    answer: Option<AnsweredResponse>,
    mapping: Option<MappingOutcome>,
    payloads: Payloads,
}

impl Running {
    /// Makes the call and records how it ended.
    pub(super) async fn run(mut self) -> Execution {
        let body = self.call.body.take().map(|body| body.as_bytes().to_vec());
        let (ending, redactor) = {
            let gate = CallGate::new(&self.service, self.connector.id, self.intent.id, self.lease, self.terms());
            let ending = AssertUnwindSafe(self.call_upstream(&gate, body)).catch_unwind().await;
            (ending.unwrap_or_else(|_| panicked(&gate)), gate.redactor())
        };
        // The intent was written before the secret was known, and its path may hold it.
        self.intent.endpoint = redactor.text(&self.intent.endpoint);
        self.finish(ending).await
    }

    fn terms(&self) -> Terms {
        let Connector { switch, settings, .. } = self.connector.as_ref();
        Terms {
            switched_at: switch.changed_at(),
            asks_first: self.paused || settings.rate_limit_per_minute > 0,
            attempt_timeout: settings.attempt_timeout,
            deadline: self.begun + settings.deadline,
        }
    }

    async fn call_upstream<'a>(&'a self, gate: &CallGate<'a>, body: Option<Vec<u8>>) -> Ending {
        let Terms { deadline, .. } = self.terms();
        let way = Way { connector: &self.connector, sources: &self.service.sources, deadline };
        let obtained = tokio::select! {
            biased;
            failure = gate.interrupted() => Err(failure),
            obtained = Proof::obtain(way) => obtained,
        };
        let Proof { credential, secrets, renewal } = match obtained {
            Ok(proof) => proof,
            Err(failure) => return Ending::without_answer(failure, gate),
        };
        if let Err(error) = gate.keep_out(secrets) {
            tracing::error!(%error, "a call is not made, since its secret could not be kept out of its traces");
            let message = "the service could not prepare the redaction of the connector's secret";
            return Ending::without_answer(Failure::new(ErrorCode::InternalError, message), gate);
        }
        gate.renew_with(renewal);
        let plan = self.plan(credential, body, deadline);
        let report = self.service.executor.run(&plan, gate).await;
        // Whatever was learnt on the way is known by now, a renewed credential included.
        let redactor = gate.redactor();
        let request = payload::request(&plan, &redactor);
        let (attempts, http_status_code) = (report.attempts, report.status);
        let mapping = self.call.apply_mapping.then(|| self.connector.settings.mapping_configuration.clone());
        let judgement = Judgement::reach(report, redactor, mapping, &self.service.judging).await;
        let Judgement { failure, answer, summary, mapping } = judgement;
        Ending {
            status: if failure.is_none() { IntegrationStatus::Success } else { IntegrationStatus::Failed },
            failure,
            attempts,
            last_attempt: gate.take_unsaved(),
            payloads: Payloads { request: Some(request), response: summary },
            http_status_code,
            answer,
            mapping,
        }
    }

    fn plan(&self, credential: Credential, body: Option<Vec<u8>>, deadline: Instant) -> CallPlan {
        let settings = &self.connector.settings;
        let key = settings.idempotency_key_header.as_ref();
        CallPlan {
            method: self.call.method,
            url: self.call.url.clone(),
            headers: self.call.headers.clone(),
            body,
            credential,
            idempotency_key: key.map(|header| (header.clone(), self.intent.id.to_string())),
            correlation_id: self.context.correlation_id.clone(),
            trace: self.context.trace.clone(),
            retry: settings.retry.clone(),
            attempt_timeout: settings.attempt_timeout,
            deadline,
        }
    }

    async fn finish(self, ending: Ending) -> Execution {
        let Ending { status, failure, attempts, http_status_code, last_attempt, answer, mapping, payloads } = ending;
        let completion = self.service.completion(self.begun, status, http_status_code, attempts, failure);
        log_outcome(&self.intent, &completion);
        self.service.meter.call_ended(self.connector.id, &completion);
        let outcome = Outcome {
            call: self.intent.id,
            endpoint: self.intent.endpoint.clone(),
            completion: completion.clone(),
            last_attempt,
            payloads,
        };
        let log = IntegrationLog::completed(self.intent, completion);
        let execution = Execution { log, response: answer, mapping, recorded: true };
        let kept = self.named.map(|named| named.keep(&execution));
        let ending = CallEnd { outcome: Arc::new(outcome), kept };
        Execution { recorded: self.service.record(ending, self.lease).await, ..execution }
    }
}

impl Ending {
    fn without_answer(failure: Failure, gate: &CallGate<'_>) -> Self {
        Self {
            status: IntegrationStatus::Failed,
            failure: Some(failure),
            attempts: gate.started(),
            http_status_code: None,
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

pub(super) fn log_outcome(intent: &CallIntent, completion: &Completion) {
    let error_code = completion.failure.as_ref().map(|failure| failure.code.as_str());
    tracing::info!(
        log_id = %intent.id,
        connector_id = intent.connector_id.map(tracing::field::display),
        status = completion.status.as_str(),
        attempts = completion.attempt_count,
        duration_ms = u64::try_from(completion.duration.as_millis()).unwrap_or(u64::MAX),
        error_code,
        "call completed"
    );
}
