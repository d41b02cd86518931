//! An executor whose upstream follows a script. It drives the gate as the real one does: asks before, tells after, and
//! waits between attempts as the domain's schedule says, without chance.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::ports::{AttemptGate, CallExecutor, CallPlan, CallReport, Clock, Credential, UpstreamResponse};
use async_trait::async_trait;
use domain::correlation::{CorrelationId, TraceContext};
use domain::failure::Failure;
use domain::integration_log::{Attempt, HttpMethod};
use domain::retry::{Delivery, FailedAttempt, Verdict, WaitReason};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::Instant;

use super::{Journal, SteppableClock};

/// What the upstream does with one attempt.
pub(crate) enum Step {
    /// It answers.
    Answer(UpstreamResponse),
    /// It breaks without an answer.
    Broken(Failure),
    /// It takes so long for what it does.
    After(Duration, Box<Step>),
    /// The executor has a bug.
    Panic,
}

impl Step {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(UpstreamResponse { status, headers: Vec::new(), body: Vec::new() })
    }

    /// An answer of JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json; charset=utf-8", body.to_string().as_bytes())
    }

    /// An answer of anything.
    pub(crate) fn body(status: u16, media_type: &str, body: &[u8]) -> Self {
        Self::Answer(UpstreamResponse {
            status,
            headers: vec![("content-type".to_owned(), media_type.to_owned())],
            body: body.to_vec(),
        })
    }

    /// The same answer with another header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer(response) = &mut self {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same, later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    async fn play(self) -> Result<UpstreamResponse, Failure> {
        let mut step = self;
        while let Self::After(delay, then) = step {
            tokio::time::sleep(delay).await;
            step = *then;
        }
        match step {
            Self::Answer(response) => Ok(response),
            Self::Broken(failure) => Err(failure),
            Self::After(..) => unreachable!("was waited for"),
            Self::Panic => panic!("the script says so"),
        }
    }
}

/// A plan as it reached the executor, its secrets exposed.
#[derive(Clone)]
pub(crate) struct SentPlan {
    pub(crate) method: HttpMethod,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) header: Option<(String, String)>,
    pub(crate) query: Option<(String, String)>,
    /// The header that replaced the first one after a 401.
    pub(crate) renewed: Option<(String, String)>,
    pub(crate) idempotency_key: Option<(String, String)>,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) trace: TraceContext,
    pub(crate) attempt_timeout: Duration,
    pub(crate) time_left: Duration,
}

impl SentPlan {
    fn of(plan: &CallPlan) -> Self {
        let query = match &plan.credential {
            Credential::Query(name, value) => Some((name.clone(), value.expose_secret().to_owned())),
            Credential::None | Credential::Header(..) => None,
        };
        Self {
            method: plan.method,
            url: plan.url.to_string(),
            headers: plan.headers.clone(),
            body: plan.body.clone().map(|body| String::from_utf8(body).expect("JSON")),
            header: header_of(&plan.credential),
            query,
            renewed: None,
            idempotency_key: plan.idempotency_key.clone(),
            correlation_id: plan.correlation_id.clone(),
            trace: plan.trace.clone(),
            attempt_timeout: plan.attempt_timeout,
            time_left: plan.deadline - Instant::now(),
        }
    }
}

fn header_of(credential: &Credential) -> Option<(String, String)> {
    match credential {
        Credential::Header(name, value) => Some((name.clone(), value.expose_secret().to_owned())),
        Credential::None | Credential::Query(..) => None,
    }
}

pub(crate) struct ScriptedExecutor {
    script: Mutex<VecDeque<Step>>,
    plans: Mutex<Vec<SentPlan>>,
    clock: Arc<SteppableClock>,
    journal: Journal,
}

impl ScriptedExecutor {
    pub(crate) fn new(clock: Arc<SteppableClock>, journal: Journal) -> Self {
        Self { script: Mutex::default(), plans: Mutex::default(), clock, journal }
    }

    /// What the upstream does with the next attempts.
    pub(crate) fn will(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().expect("not poisoned").extend(steps);
    }

    /// Every plan that was run.
    pub(crate) fn plans(&self) -> Vec<SentPlan> {
        self.plans.lock().expect("not poisoned").clone()
    }

    async fn attempts(&self, plan: &CallPlan, gate: &dyn AttemptGate, report: &mut CallReport) -> Result<(), Failure> {
        let mut waited = (Duration::ZERO, None);
        let mut may_renew = true;
        loop {
            let number = report.attempts + 1;
            let passed = gate.before(number).await?;
            report.attempts = number;
            self.journal.note(format!("attempt {number}"));
            let (started_at, begun) = (self.clock.now(), Instant::now());
            let step = self.script.lock().expect("not poisoned").pop_front().expect("the script goes on");
            let played = step.play().await;
            let status = played.as_ref().ok().map(|response| response.status);
            (report.status, report.response) = (status, None);
            let failure = match played {
                Ok(response) => {
                    report.response = Some(response);
                    status.filter(|status| *status >= 300).map(|status| Failure::status(status, retry_after(report)))
                }
                Err(failure) => Some(failure),
            };
            let attempt = Attempt {
                number,
                started_at,
                duration: begun.elapsed(),
                waited: waited.0 + passed.waited,
                wait_reason: passed.reason.or(waited.1),
                http_status_code: status,
                error: failure.as_ref().map(|failure| (failure.code, failure.message.clone())),
            };
            let Some(failure) = failure else {
                gate.after(attempt, None, false).await.ok();
                return Ok(());
            };
            if may_renew && status == Some(401) && plan.may_repeat(number) {
                may_renew = false;
                if let Some(credential) = gate.renewed_credential().await {
                    gate.after(attempt, Some(&failure), true).await?;
                    self.plans.lock().expect("not poisoned").last_mut().expect("a plan").renewed =
                        header_of(&credential);
                    waited = (Duration::ZERO, Some(WaitReason::CredentialRenewed));
                    continue;
                }
            }
            match verdict(plan, &failure, status, number) {
                Verdict::RetryAfter(pause, reason) => {
                    gate.after(attempt, Some(&failure), true).await?;
                    waited = wait(pause, reason, gate).await?;
                }
                Verdict::GiveUp => {
                    gate.after(attempt, Some(&failure), false).await.ok();
                    return Err(failure);
                }
                Verdict::Stop(code) => {
                    gate.after(attempt, Some(&failure), false).await.ok();
                    return Err(Failure::new(code, "the schedule says so"));
                }
            }
        }
    }
}

#[async_trait]
impl CallExecutor for ScriptedExecutor {
    async fn run(&self, plan: &CallPlan, gate: &dyn AttemptGate) -> CallReport {
        self.plans.lock().expect("not poisoned").push(SentPlan::of(plan));
        let mut report = CallReport { response: None, status: None, failure: None, attempts: 0 };
        let ended = self.attempts(plan, gate, &mut report).await;
        report.failure = ended.err();
        report
    }
}

fn verdict(plan: &CallPlan, failure: &Failure, http_status: Option<u16>, retry: u32) -> Verdict {
    let attempt = FailedAttempt { failure, http_status, delivery: Delivery::MaybeSent };
    let remaining = plan.deadline - Instant::now();
    plan.retry.decide(&attempt, retry, plan.is_repeatable(), remaining, 1.0)
}

/// In seconds alone; the dates are read by the real one.
fn retry_after(report: &CallReport) -> Option<Duration> {
    let headers = &report.response.as_ref()?.headers;
    let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
    value.parse().map(Duration::from_secs).ok()
}

async fn wait(
    pause: Duration,
    reason: WaitReason,
    gate: &dyn AttemptGate,
) -> Result<(Duration, Option<WaitReason>), Failure> {
    tokio::select! {
        biased;
        failure = gate.interrupted() => Err(failure),
        () = tokio::time::sleep(pause) => Ok((pause, Some(reason))),
    }
}
