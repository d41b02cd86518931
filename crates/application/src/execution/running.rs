//! One call on its way, from its intent to its outcome.

use std::panic::AssertUnwindSafe;

use domain::call::Call;
use domain::connector::{Connector, ConnectorStatus};
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{Attempt, CallIntent, Completion, IntegrationLog, IntegrationStatus, Payloads};
use domain::mapping::MappingOutcome;
use domain::repository::Begun;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::credential::Proof;
use super::gate::CallGate;
use super::judgement::Judgement;
use super::outcome::Outcome;
use super::response::AnsweredResponse;
use super::{Execution, IntegrationExecutionService, payload};
use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::{AttemptGate, CallPlan};
use crate::redaction::Redactor;

/// One call on its way.
pub(super) struct Running {
    pub(super) service: IntegrationExecutionService,
    pub(super) context: RequestContext,
    pub(super) connector: Connector,
    pub(super) call: Call,
    pub(super) intent: CallIntent,
    pub(super) begun: Instant,
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
    /// Skips the call, or makes it and records how it ended.
    pub(super) async fn run(mut self) -> Result<Execution, Error> {
        if self.connector.switch.status == ConnectorStatus::Disabled
            || self.service.storage.begin_call(&self.intent).await? == Begun::NotEnabled
        {
            return self.skip().await;
        }
        let gate = CallGate::new(&self.service, &self.intent, self.connector.switch.changed_at());
        let ending = AssertUnwindSafe(self.call_upstream(&gate)).catch_unwind().await;
        let ending = ending.unwrap_or_else(|_| panicked(&gate));
        if let Some(redactor) = gate.redactor() {
            // The intent was written before the secret was known, and its path may hold it.
            self.intent.endpoint = redactor.text(&self.intent.endpoint);
        }
        Ok(self.finish(ending).await)
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
        let obtaining = Proof::obtain(&self.connector, self.service.secrets.as_ref(), deadline);
        let obtained = tokio::select! {
            biased;
            failure = gate.interrupted() => Err(failure),
            obtained = obtaining => obtained,
        };
        let proof = match obtained {
            Ok(proof) => proof,
            Err(failure) => return Ending::without_answer(failure, gate),
        };
        let redactor = match Redactor::knowing(proof.secrets()) {
            Ok(redactor) => gate.redact_with(redactor),
            Err(error) => {
                tracing::error!(%error, "a call is not made, since its secret could not be kept out of its traces");
                let message = "the service could not prepare the redaction of the connector's secret";
                return Ending::without_answer(Failure::new(ErrorCode::InternalError, message), gate);
            }
        };
        let plan = self.plan(proof, deadline);
        let request = payload::request(&plan, self.call.body.as_ref(), &redactor);
        let report = self.service.executor.run(&plan, gate).await;
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
        let completion = self.completion(ending.status, ending.http_status_code, ending.attempts, ending.failure);
        log_outcome(&self.intent, &completion);
        let outcome = Outcome {
            call: self.intent.id,
            endpoint: self.intent.endpoint.clone(),
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
