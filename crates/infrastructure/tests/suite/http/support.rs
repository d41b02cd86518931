//! Calls and executors for the tests.

use std::sync::Arc;
use std::time::Duration;

use application::ports::{CallExecutor, CallPlan, CallReport, Credential};
use domain::correlation::{CorrelationId, TraceContext};
use domain::destination::{AllowedDestination, DestinationPolicy};
use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use domain::retry::{RetryJitter, RetryPolicy};
use infrastructure::http::{ExecutorSettings, NameServers, ReqwestExecutor, TrustedRoots};
use infrastructure::system::{SystemClock, UuidV7Ids};
use tokio::time::Instant;
use url::Url;

use super::certificates::Authority;
use super::gate::Gate;

pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A policy that serves plain HTTP and opens `allowed`.
pub(crate) fn opening(allowed: &[&str]) -> DestinationPolicy {
    let entries = allowed.iter().map(|entry| AllowedDestination::parse(entry).expect("an entry"));
    DestinationPolicy::new(true, entries.collect())
}

/// An executor that trusts `authority`, under `policy`.
pub(crate) fn executor_with(policy: DestinationPolicy, names: NameServers, authority: &Authority) -> ReqwestExecutor {
    // Never the system's roots alone: a machine without them must run the tests as well.
    let roots = TrustedRoots { extra: vec![authority.pem()] };
    let settings = ExecutorSettings { policy, roots, names };
    ReqwestExecutor::new(settings, Arc::new(UuidV7Ids), Arc::new(SystemClock)).expect("an executor")
}

/// An executor that may call this machine, and asks no name server.
pub(crate) fn executor() -> ReqwestExecutor {
    executor_with(opening(&["127.0.0.1"]), NameServers::At(Vec::new()), &Authority::new())
}

pub(crate) fn retry_policy(retries: u32, delay: Duration) -> RetryPolicy {
    RetryPolicy {
        max_retry_attempts: retries,
        delay,
        exponential: true,
        jitter: RetryJitter::None,
        max_delay: Duration::from_mins(1),
    }
}

/// A call without credentials: up to three retries at once, 5 s for an attempt, 20 s for all.
pub(crate) fn call(method: HttpMethod, url: &str) -> CallPlan {
    CallPlan {
        method,
        url: Url::parse(url).expect("a URL"),
        headers: Vec::new(),
        body: matches!(method, HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch).then(|| b"{\"a\":1}".to_vec()),
        credential: Credential::None,
        idempotency_key: None,
        correlation_id: CorrelationId::parse("corr-1").expect("an id"),
        trace: TraceContext::parse(TRACE).expect("a trace"),
        retry: retry_policy(3, Duration::ZERO),
        attempt_timeout: Duration::from_secs(5),
        deadline: Instant::now() + Duration::from_secs(20),
    }
}

pub(crate) fn get(url: &str) -> CallPlan {
    call(HttpMethod::Get, url)
}

pub(crate) fn post(url: &str) -> CallPlan {
    call(HttpMethod::Post, url)
}

/// The same call without retries.
pub(crate) fn once(mut plan: CallPlan) -> CallPlan {
    plan.retry.max_retry_attempts = 0;
    plan
}

/// Runs a call past a gate that lets everything through.
pub(crate) async fn run(executor: &ReqwestExecutor, plan: &CallPlan) -> (CallReport, Gate) {
    let gate = Gate::default();
    let report = executor.run(plan, &gate).await;
    assert_eq!(u32::try_from(gate.attempts().len()), Ok(report.attempts), "RT-11: every attempt is told");
    (report, gate)
}

pub(crate) fn code(report: &CallReport) -> Option<ErrorCode> {
    report.failure.as_ref().map(|failure| failure.code)
}
