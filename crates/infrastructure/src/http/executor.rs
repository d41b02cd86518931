//! The attempts of one call: gate, request, verdict, wait, and again. The loop decides nothing; the gate says whether
//! still, the domain's schedule whether again and how long.

use std::sync::Arc;
use std::time::Duration;

use application::ports::{AttemptGate, CallExecutor, CallPlan, CallReport, Clock, Credential, Ids, Passed};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::destination::DestinationPolicy;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::Attempt;
use domain::retry::{Delivery, FailedAttempt, LEAST_ATTEMPT, Verdict, WaitReason};
use reqwest::Client;
use tokio::time::{Instant, sleep};

use super::attempt::Outcome;
use super::classify::{self, Classified};
use super::client::{self, ClientError, TrustedRoots};
use super::guard::Guard;
use super::names::NameServers;
use super::request::OutgoingRequest;

/// What a deployment decides about outbound calls.
#[derive(Debug, Clone, Default)]
pub struct ExecutorSettings {
    /// Where calls may go.
    pub policy: DestinationPolicy,
    /// Whose certificates are trusted beside the operating system's.
    pub roots: TrustedRoots,
    /// Where names are resolved.
    pub names: NameServers,
}

/// Sends calls with reqwest, through the destination guard. One instance serves the whole process: it holds the
/// connection pool and the name cache.
pub struct ReqwestExecutor {
    client: Client,
    guard: Guard,
    roots: TrustedRoots,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
}

impl ReqwestExecutor {
    /// Builds the client. Reads the system's root certificates, name servers and hosts file, once.
    ///
    /// # Errors
    /// [`ClientError`]: an unreadable extra root, no trusted root at all, or an unusable resolver.
    pub fn new(settings: ExecutorSettings, ids: Arc<dyn Ids>, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let resolver = settings.names.resolver().map_err(ClientError::Resolver)?;
        let guard = Guard::new(settings.policy, resolver);
        Ok(Self { client: client::build(&guard, &settings.roots)?, guard, roots: settings.roots, ids, clock })
    }

    /// The same, with another client.
    pub(super) fn with_client(&self, client: Client) -> Self {
        let Self { guard, roots, ids, clock, .. } = self;
        Self { client, guard: guard.clone(), roots: roots.clone(), ids: Arc::clone(ids), clock: Arc::clone(clock) }
    }

    pub(super) const fn roots(&self) -> &TrustedRoots {
        &self.roots
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(super) fn ids(&self) -> &dyn Ids {
        self.ids.as_ref()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Makes attempts until one succeeds or the call ends otherwise. `report` always tells what was done so far.
    ///
    /// An attempt that ends before its request left (no such name, a blocked destination, a refused connection) is an
    /// attempt: it has its row in the log and counts.
    async fn attempts(&self, plan: &CallPlan, gate: &dyn AttemptGate, report: &mut CallReport) -> Result<(), Failure> {
        let mut outgoing = OutgoingRequest::of(plan, &plan.credential)?;
        let mut wait = Wait::default();
        let mut may_renew = true;
        loop {
            let number = report.attempts + 1;
            time_left(plan)?;
            wait.add(gate.before(number).await?);
            // The gate may have waited.
            time_left(plan)?;
            let start = Start { number, at: self.clock.now(), instant: Instant::now(), wait };
            report.attempts = number;
            let mut outcome = self.attempt(plan, &outgoing).await;
            // Each attempt speaks for itself: what an earlier one answered does not explain how this one failed.
            report.response = outcome.response.take();
            report.status = outcome.status;
            let attempt = start.end(&outcome);
            let Some(Classified { failure, delivery }) = outcome.failed else {
                // The call is over, and how it ended is known: a gate that has no more to give does not change it.
                gate.after(attempt, None, false).await.ok();
                return Ok(());
            };
            if may_renew && outcome.status == Some(401) && plan.may_repeat(number) {
                may_renew = false;
                if let Some(credential) = renewed(plan, gate).await {
                    gate.after(attempt, Some(&failure), true).await?;
                    outgoing = OutgoingRequest::of(plan, &credential)?;
                    wait = Wait { waited: Duration::ZERO, reason: Some(WaitReason::CredentialRenewed) };
                    continue;
                }
            }
            match verdict(plan, number, &failure, outcome.status, delivery) {
                Verdict::RetryAfter(pause, reason) => {
                    gate.after(attempt, Some(&failure), true).await?;
                    // The gate may have waited for the store.
                    time_for(plan, pause.saturating_add(LEAST_ATTEMPT))?;
                    wait = Wait::through(pause, reason, gate).await?;
                }
                ended => {
                    gate.after(attempt, Some(&failure), false).await.ok();
                    return Err(match ended {
                        Verdict::Stop(code) if code != failure.code => stopped(code, failure),
                        _ => failure,
                    });
                }
            }
        }
    }
}

#[async_trait]
impl CallExecutor for ReqwestExecutor {
    async fn run(&self, plan: &CallPlan, gate: &dyn AttemptGate) -> CallReport {
        let mut report = CallReport { response: None, status: None, failure: None, attempts: 0 };
        report.failure = self.attempts(plan, gate, &mut report).await.err();
        report
    }
}

fn verdict(plan: &CallPlan, retry: u32, failure: &Failure, http_status: Option<u16>, delivery: Delivery) -> Verdict {
    let remaining = plan.deadline.saturating_duration_since(Instant::now());
    let attempt = FailedAttempt { failure, http_status, delivery };
    plan.retry.decide(&attempt, retry, plan.is_repeatable(), remaining, rand::random())
}

/// RT-12, while there is time for it.
async fn renewed(plan: &CallPlan, gate: &dyn AttemptGate) -> Option<Credential> {
    let least = plan.deadline.checked_sub(LEAST_ATTEMPT)?;
    tokio::time::timeout_at(least, gate.renewed_credential()).await.ok().flatten()
}

/// A stop by the schedule tells what it stopped after, and keeps how long the upstream asked to wait.
fn stopped(code: ErrorCode, last: Failure) -> Failure {
    let stop = match code {
        ErrorCode::RetryAfterTooLong => "the upstream asked to wait longer than the deadline leaves",
        _ => "the deadline leaves no time for a further attempt",
    };
    let Failure { message, details, retry_after, .. } = last;
    Failure { details, retry_after, ..Failure::new(code, format!("{stop} after: {message}")) }
}

fn time_left(plan: &CallPlan) -> Result<(), Failure> {
    time_for(plan, Duration::from_nanos(1))
}

fn time_for(plan: &CallPlan, needed: Duration) -> Result<(), Failure> {
    if plan.deadline.saturating_duration_since(Instant::now()) >= needed {
        Ok(())
    } else {
        let code = ErrorCode::DeadlineExceeded;
        Err(Failure::new(code, classify::sentence(code)).with_details("it passed before the attempt began"))
    }
}

/// How long an attempt waited, and why.
#[derive(Clone, Copy, Default)]
struct Wait {
    waited: Duration,
    reason: Option<WaitReason>,
}

impl Wait {
    /// The gate's part of it. What took longer is the reason.
    fn add(&mut self, passed: Passed) {
        if passed.reason.is_some() && passed.waited >= self.waited {
            self.reason = passed.reason;
        }
        self.waited += passed.waited;
    }

    /// Waits, unless the gate finds it pointless.
    async fn through(pause: Duration, reason: WaitReason, gate: &dyn AttemptGate) -> Result<Self, Failure> {
        let begun = Instant::now();
        tokio::select! {
            biased;
            failure = gate.interrupted() => Err(failure),
            () = sleep(pause) => Ok(Self { waited: begun.elapsed(), reason: Some(reason) }),
        }
    }
}

/// An attempt under way.
struct Start {
    number: u32,
    at: DateTime<Utc>,
    instant: Instant,
    wait: Wait,
}

impl Start {
    fn end(self, outcome: &Outcome) -> Attempt {
        let failure = outcome.failed.as_ref().map(|failed| &failed.failure);
        Attempt {
            number: self.number,
            started_at: self.at,
            duration: self.instant.elapsed(),
            waited: self.wait.waited,
            wait_reason: self.wait.reason,
            http_status_code: outcome.status,
            error: failure.map(|failure| (failure.code, failure.message.clone())),
        }
    }
}
