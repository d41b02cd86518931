//! What the executor does about a 401 (RT-12).

use std::sync::atomic::Ordering;
use std::time::Duration;

use application::ports::{CallExecutor, CallPlan, CallReport, Credential};
use domain::integration_log::HttpMethod;
use domain::retry::WaitReason;
use rstest::rstest;

use super::gate::Gate;
use super::support::{call, code, executor, get};
use super::upstream::{Upstream, ok, status};

fn with_token(plan: CallPlan) -> CallPlan {
    CallPlan { credential: Credential::Header("Authorization".to_owned(), "Bearer old".into()), ..plan }
}

async fn run(plan: CallPlan, renewed: Option<&'static str>) -> (CallReport, Gate) {
    let gate = Gate { renewed, ..Gate::default() };
    let report = executor().run(&with_token(plan), &gate).await;
    (report, gate)
}

fn sent(upstream: &Upstream) -> Vec<String> {
    upstream.hits().iter().map(|hit| hit.header("authorization").join(",")).collect()
}

#[tokio::test]
async fn rt_12_a_401_is_followed_at_once_by_an_attempt_with_the_renewed_credential() {
    let upstream = Upstream::start([status(401), status(503), ok()]).await;
    let mut plan = get(&upstream.url());
    plan.retry.delay = Duration::from_millis(1);
    let (report, gate) = run(plan, Some("Bearer new")).await;
    assert_eq!((report.failure, report.attempts), (None, 3));
    assert_eq!(sent(&upstream), ["Bearer old", "Bearer new", "Bearer new"], "and never the old one again");
    let waits: Vec<_> = gate.attempts().iter().map(|attempt| attempt.wait_reason).collect();
    assert_eq!(waits, [None, Some(WaitReason::CredentialRenewed), Some(WaitReason::Backoff)]);
    assert_eq!(gate.attempts()[1].waited, Duration::ZERO);
    assert_eq!(gate.announced(), [true, true, false]);
}

#[tokio::test]
async fn rt_12_a_401_is_renewed_once_in_a_call() {
    let upstream = Upstream::start([status(401)]).await;
    let (report, gate) = run(get(&upstream.url()), Some("Bearer new")).await;
    assert_eq!((report.status, report.attempts), (Some(401), 2));
    assert_eq!((upstream.hits().len(), gate.renewals.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn rt_12_without_another_credential_the_401_stands() {
    let upstream = Upstream::start([status(401), ok()]).await;
    let (report, gate) = run(get(&upstream.url()), None).await;
    assert_eq!((report.status, report.attempts, gate.announced()), (Some(401), 1, vec![false]));
}

#[rstest]
#[case::get(HttpMethod::Get, 1, None, true)]
#[case::no_retries(HttpMethod::Get, 0, None, false)]
#[case::post(HttpMethod::Post, 3, None, false)]
#[case::patch(HttpMethod::Patch, 3, None, false)]
#[case::post_with_key(HttpMethod::Post, 1, Some("Idempotency-Key"), true)]
#[tokio::test]
async fn rt_12_it_is_one_of_the_retries_and_passes_the_method_gate(
    #[case] method: HttpMethod,
    #[case] retries: u32,
    #[case] key: Option<&str>,
    #[case] repeated: bool,
) {
    let upstream = Upstream::start([status(401), ok()]).await;
    let mut plan = call(method, &upstream.url());
    plan.retry.max_retry_attempts = retries;
    plan.idempotency_key = key.map(|header| (header.to_owned(), "call-1".to_owned()));
    let (report, gate) = run(plan, Some("Bearer new")).await;
    assert_eq!(report.failure.is_none(), repeated, "{:?}", report.failure);
    assert_eq!(upstream.hits().len(), if repeated { 2 } else { 1 });
    assert_eq!(gate.renewals.load(Ordering::SeqCst), u32::from(repeated), "nothing is asked for that is not used");
}

#[tokio::test]
async fn rt_12_a_renewal_takes_the_place_of_a_retry() {
    let upstream = Upstream::start([status(401), status(503), ok()]).await;
    let mut plan = get(&upstream.url());
    plan.retry.max_retry_attempts = 1;
    let (report, _) = run(plan, Some("Bearer new")).await;
    assert_eq!((report.status, report.attempts), (Some(503), 2));
    assert!(code(&report).is_some());
}
