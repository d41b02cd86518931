//! One test on its way, from its intent to its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::connector::{Authentication, BaseUrl, Connector};
use domain::error::StorageError;
use domain::failure::{ErrorCode, Failure};
use domain::id::{ConnectorId, LeaseId, LogId};
use domain::integration_log::{Attempt, CallIntent, IntegrationStatus, OperationType, Outcome};
use domain::lease::Premise;
use domain::rate_limit;
use domain::repository::Begun;
use domain::retry::LEAST_ATTEMPT;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::course::Course;
use super::{ConnectionTest, ConnectionTestService, StepName};
use crate::context::RequestContext;
use crate::error::{Causes, Error};
use crate::execution::credential::{Proof, Way};
use crate::execution::gate::{lapsed, shutting_down};
use crate::execution::judgement::Judgement;
use crate::execution::outcome::CallEnd;
use crate::execution::payload;
use crate::execution::running::log_outcome;
use crate::ports::{CallPlan, Credential, Leg, Passed, ProbeReport};
use crate::redaction::Redactor;

/// When whatever the test waits for is given up: half a second of its 10 s is left for the record.
const LONGEST: Duration = Duration::from_millis(9_500);

/// How often a test is begun anew because the lease lapsed.
const TRIES: usize = 2;

pub(super) struct Testing {
    pub(super) service: ConnectionTestService,
    pub(super) context: RequestContext,
    pub(super) begun: Instant,
    /// The connector, where it is one that others can see.
    pub(super) registered: Option<ConnectorId>,
    pub(super) connector: Connector,
}

impl Testing {
    pub(super) async fn run(self) -> Result<ConnectionTest, Error> {
        let (intent, lease) = self.begin().await?;
        let mut course = Course::new();
        if AssertUnwindSafe(self.walk(&mut course, lease)).catch_unwind().await.is_err() {
            tracing::error!("a test of a connection panicked");
            course.panicked();
        }
        self.finish(intent, lease, course).await
    }

    fn intent(&self) -> CallIntent {
        let calls = &self.service.calls;
        CallIntent {
            id: LogId::new(calls.ids.uuid()),
            connector_id: self.registered,
            connector_name: self.connector.settings.name.as_str().to_owned(),
            correlation_id: self.context.correlation_id.clone(),
            trace_id: self.context.trace.trace_id,
            operation_type: OperationType::Test,
            method: OperationType::Test.default_method(),
            endpoint: "/".to_owned(),
            initiated_by: self.context.principal.actor.name.clone(),
            started_at: calls.clock.now(),
        }
    }

    /// DU-1: the record is there before anything goes out.
    async fn begin(&self) -> Result<(CallIntent, LeaseId), Error> {
        let calls = &self.service.calls;
        for _ in 0..TRIES {
            // Another id for another try: a write whose answer was lost may have kept the first one.
            let (intent, lease) = (self.intent(), calls.leases.lease().await?);
            let premise = Premise { connector_version: None, lease };
            if calls.storage.begin_call(&intent, &premise).await? != Begun::Refused {
                return Ok((intent, lease));
            }
            // A lease that still holds is that of all other calls of this process.
            if !calls.storage.extend_lease(lease).await? {
                calls.leases.forget(lease);
            }
        }
        Err(StorageError::Unavailable("the lease of this process lapsed while the test was being begun".into()).into())
    }

    async fn walk(&self, course: &mut Course, lease: LeaseId) {
        let started = Instant::now();
        if let Err(failure) = self.judge() {
            return course.fail(StepName::Configuration, started.elapsed(), failure);
        }
        course.pass(StepName::Configuration, started.elapsed(), "valid, and it leads where this deployment calls");
        let Ok(_place) = timeout_at(self.deadline(), self.service.places.acquire()).await else {
            return course.fail(StepName::Http, Duration::ZERO, too_many());
        };
        let started = Instant::now();
        let credential = match self.credential(course).await {
            Ok(credential) => credential,
            Err(failure) => return course.fail(StepName::Secret, started.elapsed(), failure),
        };
        match &self.connector.settings.authentication {
            Authentication::None => course.leave_out(StepName::Secret, "the connector has no authentication"),
            Authentication::OAuth2 { .. } => {
                let detail = "the secret is in its store, and the authorization server issued a token for it";
                course.pass(StepName::Secret, started.elapsed(), detail);
            }
            _ => course.pass(StepName::Secret, started.elapsed(), "the secret is in its store"),
        }
        let started = Instant::now();
        match self.permit(lease).await {
            Ok(passed) => self.probe(course, credential, passed).await,
            Err(failure) => course.fail(StepName::Http, started.elapsed(), failure),
        }
    }

    fn deadline(&self) -> Instant {
        self.begun + LONGEST.min(self.connector.settings.deadline)
    }

    /// What can be known before the name is resolved.
    fn judge(&self) -> Result<(), Failure> {
        let settings = &self.connector.settings;
        let token_url = match &settings.authentication {
            Authentication::OAuth2 { grant, .. } => Some(("tokenUrl", &grant.token_url)),
            _ => None,
        };
        for (member, url) in [("endpointBaseUrl", &settings.endpoint_base_url)].into_iter().chain(token_url) {
            self.judge_url(member, url)?;
        }
        Ok(())
    }

    fn judge_url(&self, member: &str, url: &BaseUrl) -> Result<(), Failure> {
        let destinations = &self.service.destinations;
        let message = if url.url().scheme() == "http" && !destinations.allows_http() {
            format!("`{member}` must be `https`; this deployment does not allow plain `http`")
        } else if destinations.judge_url(url.url()).is_err() {
            format!("this deployment does not call the address in `{member}`")
        } else {
            return Ok(());
        };
        Err(Failure::new(ErrorCode::DestinationBlocked, message))
    }

    /// What the store, and the authorization server, say now: what a cache remembers proves nothing.
    async fn credential(&self, course: &mut Course) -> Result<Credential, Failure> {
        let calls = &self.service.calls;
        let way = Way { connector: &self.connector, sources: &calls.sources, deadline: self.deadline() };
        let Proof { credential, secrets, .. } = tokio::select! {
            biased;
            () = calls.shutdown.cancelled() => return Err(shutting_down()),
            obtained = Proof::obtain_anew(way) => obtained?,
        };
        course.redactor = Arc::new(Redactor::knowing(&secrets).map_err(|error| {
            tracing::error!(%error, "a connection is not tested, since its secret could not be kept out of its traces");
            let message = "the service could not prepare the redaction of the connector's secret";
            Failure::new(ErrorCode::InternalError, message)
        })?);
        Ok(credential)
    }

    /// RL-2: every attempt counts. Of a connector that is not registered there is nothing to count.
    async fn permit(&self, lease: LeaseId) -> Result<Passed, Failure> {
        let calls = &self.service.calls;
        let deadline = self.deadline();
        let until = deadline.checked_sub(LEAST_ATTEMPT).unwrap_or(deadline);
        let passed = match self.registered {
            None => Passed::default(),
            Some(connector) => tokio::select! {
                biased;
                () = calls.shutdown.cancelled() => return Err(shutting_down()),
                passed = calls.turnstile.pass(connector, until) => passed?,
            },
        };
        if calls.leases.holds(lease) { Ok(passed) } else { Err(lapsed()) }
    }

    async fn probe(&self, course: &mut Course, credential: Credential, Passed { waited, reason }: Passed) {
        let calls = &self.service.calls;
        let plan = self.plan(credential);
        let (started_at, started) = (calls.clock.now(), Instant::now());
        let ProbeReport { call, reached, resolving, connecting, exchanging } = self.service.probe.probe(&plan).await;
        let duration = started.elapsed();
        let http_status_code = call.status;
        course.payloads.request = Some(payload::request(&plan, &course.redactor));
        let judgement = Judgement::reach(call, Arc::clone(&course.redactor), None, &calls.judging).await;
        let Judgement { failure, summary, .. } = judgement;
        course.payloads.response = summary;
        let error = failure.as_ref().map(|failure| (failure.code, failure.message.clone()));
        let wait_reason = reason;
        course.attempt =
            Some(Attempt { number: 1, started_at, duration, waited, wait_reason, http_status_code, error });
        self.heed(http_status_code, failure.as_ref()).await;

        let is_tls = self.connector.settings.endpoint_base_url.url().scheme() == "https";
        let ended = match failure.map(|failure| (leg(failure.code, reached), failure)) {
            Some((Leg::Resolving, failure)) => {
                return course.fail(StepName::Dns, resolving.unwrap_or(duration), failure);
            }
            ended => ended,
        };
        let resolved = match resolving {
            Some(_) => "the host is known, and this deployment calls its addresses",
            None => "nothing to look up: the host is an address",
        };
        course.pass(StepName::Dns, resolving.unwrap_or_default(), resolved);
        let ended = match ended {
            Some((Leg::Connecting, failure)) if is_tls => return course.fail(StepName::Tls, connecting, failure),
            ended => ended.map(|(_, failure)| failure),
        };
        let took = if is_tls {
            course.pass(StepName::Tls, connecting, "connected, and the certificate is trusted for the host");
            exchanging
        } else {
            course.leave_out(StepName::Tls, "plain HTTP");
            connecting + exchanging
        };
        if let Some(failure) = ended {
            return course.fail(StepName::Http, took, failure);
        }
        let status = http_status_code.unwrap_or_default();
        course.pass(StepName::Http, took, format!("the upstream answered the GET of its base URL with {status}"));
    }

    fn plan(&self, credential: Credential) -> CallPlan {
        let settings = &self.connector.settings;
        CallPlan {
            method: OperationType::Test.default_method(),
            url: settings.endpoint_base_url.url().clone(),
            headers: Vec::new(),
            body: None,
            credential,
            idempotency_key: None,
            correlation_id: self.context.correlation_id.clone(),
            trace: self.context.trace.clone(),
            retry: settings.retry.clone(),
            attempt_timeout: settings.attempt_timeout,
            deadline: self.deadline(),
        }
    }

    /// What an upstream asks of one attempt it asks of all (RT-7).
    async fn heed(&self, http_status: Option<u16>, failure: Option<&Failure>) {
        let asked = failure.and_then(|failure| failure.retry_after);
        let pause = rate_limit::pause_after(http_status, asked);
        if let (Some(connector), Some(pause)) = (self.registered, pause)
            && let Err(error) = self.service.calls.storage.pause(connector, pause).await
        {
            tracing::error!(error = %Causes(&error), "cannot write the pause of a connector");
        }
    }

    async fn finish(self, intent: CallIntent, lease: LeaseId, mut course: Course) -> Result<ConnectionTest, Error> {
        let calls = &self.service.calls;
        let status = if course.failure.is_none() { IntegrationStatus::Success } else { IntegrationStatus::Failed };
        let attempt = course.attempt.take();
        let http_status = attempt.as_ref().and_then(|attempt| attempt.http_status_code);
        let failure = course.failure.take();
        let completion = calls.completion(self.begun, status, http_status, u32::from(attempt.is_some()), failure);
        log_outcome(&intent, &completion);
        let outcome = Outcome {
            call: intent.id,
            endpoint: intent.endpoint,
            completion,
            last_attempt: attempt,
            payloads: std::mem::take(&mut course.payloads),
        };
        // Should it not be durable yet, it is still being written; that a connection was tested is no less true.
        calls.record(CallEnd { outcome: Arc::new(outcome), kept: None }, lease).await;
        Ok(ConnectionTest { steps: course.into_steps(), duration: self.begun.elapsed() })
    }
}

/// The leg that a failure belongs to. Some are known by their name wherever they are noticed.
const fn leg(code: ErrorCode, reached: Leg) -> Leg {
    match code {
        ErrorCode::DnsNotFound | ErrorCode::DnsFailure | ErrorCode::DestinationBlocked => Leg::Resolving,
        ErrorCode::TlsCertificate | ErrorCode::TlsHandshake => Leg::Connecting,
        _ => reached,
    }
}

fn too_many() -> Failure {
    let message = format!("this process tests {} connections at once, and all places were taken", super::AT_ONCE);
    Failure::new(ErrorCode::DeadlineExceeded, message)
}
