//! Testing connections: what is asked in which order, and what is recorded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::error::Error;
use application::execution::{ConnectionTest, ConnectionTestService, StepStatus};
use application::ports::{CallPlan, CallReport, ConnectionProbe, Credential, Leg, ProbeReport, UpstreamResponse};
use async_trait::async_trait;
use domain::access::{Principal, Role};
use domain::connector::ConnectorDraft;
use domain::destination::DestinationPolicy;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{HttpMethod, IntegrationStatus, OperationType};
use domain::repository::RateLimits;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::Instant;

use crate::fakes::{Journal, Operation};
use crate::world::{World, context, context_of, context_only, draft, faults, open_draft, seconds};

type Answering = Box<dyn Fn() -> (Leg, Option<UpstreamResponse>, Option<Failure>) + Send + Sync>;

/// Method, URL, credential, and the time until the deadline.
type Sent = (HttpMethod, String, Option<String>, Duration);

/// A probe that answers as its test says, and remembers what it was to send.
struct ScriptedProbe {
    answering: Answering,
    sent: Mutex<Vec<Sent>>,
    journal: Journal,
}

#[async_trait]
impl ConnectionProbe for ScriptedProbe {
    async fn probe(&self, plan: &CallPlan) -> ProbeReport {
        self.journal.note("probe");
        let credential = match &plan.credential {
            Credential::Header(name, value) => Some(format!("{name}: {}", value.expose_secret())),
            Credential::Query(..) | Credential::None => None,
        };
        let left = plan.deadline - Instant::now();
        self.sent.lock().expect("not poisoned").push((plan.method, plan.url.to_string(), credential, left));
        let (reached, response, failure) = (self.answering)();
        let status = response.as_ref().map(|response| response.status);
        ProbeReport {
            call: CallReport { response, status, failure, attempts: 1 },
            reached,
            resolving: Some(Duration::from_millis(1)),
            connecting: Duration::from_millis(2),
            exchanging: Duration::from_millis(3),
        }
    }
}

fn answer(status: u16, body: &str) -> UpstreamResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    UpstreamResponse { status, headers, body: body.as_bytes().to_vec() }
}

fn service(
    world: &World,
    answering: impl Fn() -> (Leg, Option<UpstreamResponse>, Option<Failure>) + Send + Sync + 'static,
) -> (ConnectionTestService, Arc<ScriptedProbe>) {
    let journal = world.journal.clone();
    let probe = Arc::new(ScriptedProbe { answering: Box::new(answering), sent: Mutex::default(), journal });
    let tests = ConnectionTestService::new(world.calls.clone(), probe.clone(), DestinationPolicy::default());
    (tests, probe)
}

fn ok() -> (Leg, Option<UpstreamResponse>, Option<Failure>) {
    (Leg::Exchanging, Some(answer(200, "{}")), None)
}

/// A letter per step: P, F, or N.
fn letters(test: &ConnectionTest) -> String {
    test.steps.iter().map(|step| step.status.as_str().chars().next().expect("a letter")).collect()
}

#[track_caller]
fn failed(test: &ConnectionTest) -> &str {
    let step = test.steps.iter().find(|step| step.status == StepStatus::Failed);
    &step.unwrap_or_else(|| panic!("{test:?}")).detail
}

#[tokio::test(start_paused = true)]
async fn du_1_a_test_is_recorded_before_anything_is_asked_and_asks_the_store_itself() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    world.secrets.rotate_unseen("HR", "rotated-value");
    let (tests, probe) = service(&world, ok);
    world.journal.clear();
    let test = tests.test(&context(), id).await.expect("tested");
    assert!(test.success());
    assert_eq!(letters(&test), "PPPPP");
    let lines = world.journal.lines();
    assert_eq!(
        lines,
        ["FindConnector", "OpenLease", "BeginCall", "resolve", "renew", "probe", "CompleteCall"],
        "what a cache remembers proves nothing"
    );
    let sent = probe.sent.lock().expect("not poisoned").clone();
    let (method, url, credential, left) = &sent[0];
    assert_eq!((*method, url.as_str()), (HttpMethod::Get, "https://api.hr.example.com/v1"));
    assert_eq!(credential.as_deref(), Some("X-API-Key: rotated-value"));
    assert!(*left <= seconds(10), "{left:?}");
    let page = world.storage.only_call();
    let intent = &page.log.intent;
    assert_eq!((intent.connector_id, intent.operation_type), (Some(id), OperationType::Test));
    assert_eq!((page.log.status(), page.attempts.len()), (IntegrationStatus::Success, 1));
    assert!(!world.storage.dump().contains("rotated-value"));
    assert!(!format!("{test:?}").contains("rotated-value"));
}

#[tokio::test(start_paused = true)]
async fn without_a_record_nothing_goes_out() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let (tests, _) = service(&world, ok);
    world.storage.take_away(Operation::BeginCall);
    assert!(matches!(tests.test(&context(), id).await, Err(Error::StoreUnavailable(_))));
    assert_eq!((world.journal.count("resolve"), world.journal.count("probe")), (1, 0), "one by the registration");
}

#[tokio::test(start_paused = true)]
async fn du_2_a_test_that_is_refused_does_not_give_up_a_lease_that_holds() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    let lease = world.leases.lease().await.expect("a lease");
    world.storage.refuse_to_begin_once();
    let (tests, _) = service(&world, ok);
    assert!(tests.test(&context(), id).await.expect("tested").success());
    assert!(world.leases.holds(lease), "it is that of all calls under way");
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_with_the_step_that_it_belongs_to() {
    let cases = [
        (ErrorCode::DnsNotFound, Leg::Connecting, "PNFNN"),
        (ErrorCode::DestinationBlocked, Leg::Resolving, "PNFNN"),
        (ErrorCode::DeadlineExceeded, Leg::Resolving, "PNFNN"),
        (ErrorCode::ConnectRefused, Leg::Connecting, "PNPFN"),
        (ErrorCode::TlsCertificate, Leg::Connecting, "PNPFN"),
        (ErrorCode::TlsHandshake, Leg::Exchanging, "PNPFN"),
        (ErrorCode::ConnectionReset, Leg::Exchanging, "PNPPF"),
        (ErrorCode::AttemptTimeout, Leg::Exchanging, "PNPPF"),
    ];
    for (code, reached, expected) in cases {
        let world = World::new();
        let (tests, _) = service(&world, move || (reached, None, Some(Failure::new(code, "it broke"))));
        let test = tests.test_draft(&context(), open_draft()).await.expect("tested");
        assert_eq!(letters(&test), expected, "{code:?}");
        assert!(failed(&test).starts_with("it broke"), "{test:?}");
        let page = world.storage.only_call();
        assert_eq!((page.log.intent.connector_id, page.log.status()), (None, IntegrationStatus::Failed));
        assert_eq!(page.attempts[0].error.as_ref().map(|(code, _)| *code), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_json_although_it_says_so_fails() {
    let world = World::new();
    let (tests, _) = service(&world, || (Leg::Exchanging, Some(answer(200, "<html>")), None));
    let test = tests.test_draft(&context(), open_draft()).await.expect("tested");
    assert_eq!(letters(&test), "PNPPF");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_had_ends_the_test_within_its_10_s() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let (tests, _) = service(&world, ok);
    world.secrets.remove("HR");
    let missing = tests.test(&context(), id).await.expect("tested");
    assert_eq!(letters(&missing), "PFNNN");
    assert!(failed(&missing).contains("SecretStore:HR"), "{missing:?}");
    world.secrets.slow_down(seconds(60));
    let begun = Instant::now();
    let late = tests.test(&context(), id).await.expect("tested");
    assert_eq!(letters(&late), "PFNNN");
    assert!(begun.elapsed() <= seconds(10) && begun.elapsed() > seconds(9), "{:?}", begun.elapsed());
    world.secrets.slow_down(Duration::ZERO);
    world.secrets.go_down();
    assert!(failed(&tests.test(&context(), id).await.expect("tested")).contains("sealed"));
    assert_eq!(world.journal.count("probe"), 0);
}

#[tokio::test(start_paused = true)]
async fn rl_2_a_test_counts_and_waits_for_no_longer_than_it_may() {
    let world = World::new();
    let id = world.registered(ConnectorDraft { rate_limit_per_minute: Some(1.into()), ..draft() }).await.id;
    let (tests, _) = service(&world, ok);
    assert!(tests.test(&context(), id).await.expect("tested").success());
    let begun = Instant::now();
    let second = tests.test(&context(), id).await.expect("tested");
    assert_eq!(letters(&second), "PPNNF");
    assert!(failed(&second).contains("rate limit"), "{second:?}");
    assert!(begun.elapsed() <= seconds(10));
    assert_eq!(world.journal.count("probe"), 1);
    assert_eq!(world.storage.last_call().log.attempt_count, 0);
}

#[tokio::test(start_paused = true)]
async fn rt_7_a_pause_holds_for_tests_and_a_test_can_be_asked_for_one() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let refused = || {
        let mut failure = Failure::status(429, Some(seconds(30)));
        failure.message.push_str(" (scripted)");
        (Leg::Exchanging, Some(answer(429, "{}")), Some(failure))
    };
    let (tests, _) = service(&world, refused);
    assert_eq!(letters(&tests.test(&context(), id).await.expect("tested")), "PPPPF");
    let permits = world.storage.take_permits(id, 1).await.expect("an answer");
    assert_eq!(permits.granted, 0, "what is asked of one attempt is asked of all");
    assert_eq!(letters(&tests.test(&context(), id).await.expect("tested")), "PPNNF");
    assert_eq!(world.journal.count("probe"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_ends_the_test_and_not_the_process() {
    let world = World::new();
    let (tests, _) = service(&world, || panic!("the script says so"));
    let test = tests.test_draft(&context(), open_draft()).await.expect("tested");
    assert!(!test.success());
    let completion = world.storage.only_call().log.completion.expect("completed");
    assert_eq!(completion.failure.map(|failure| failure.code), Some(ErrorCode::InternalError));
}

#[tokio::test(start_paused = true)]
async fn what_this_deployment_does_not_call_fails_before_the_secret_is_looked_up() {
    let world = World::new();
    let (tests, _) = service(&world, ok);
    for url in ["http://api.hr.example.com/v1", "https://169.254.169.254/", "https://localhost/"] {
        let draft = ConnectorDraft { endpoint_base_url: Some(url.to_owned()), ..draft() };
        let test = tests.test_draft(&context(), draft).await.expect("tested");
        assert_eq!(letters(&test), "FNNNN", "{url}");
    }
    assert_eq!((world.journal.count("resolve"), world.journal.count("probe")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draft_is_judged_whole_and_sends_secrets_only_for_those_who_may_register() {
    let world = World::new();
    let (tests, probe) = service(&world, ok);
    let bad = ConnectorDraft { name: None, max_retry_attempts: Some(99.into()), ..open_draft() };
    let found = faults(tests.test_draft(&context(), bad).await);
    assert_eq!(found, ["/name: required", "/maxRetryAttempts: out-of-range"]);
    let operator = context_of(Principal { role: Role::Operator, ..context().principal });
    assert!(matches!(tests.test_draft(&operator, draft()).await, Err(Error::SecretOfDraft)));
    assert_eq!((world.journal.count("resolve"), world.storage.calls().len()), (0, 0));
    assert!(tests.test_draft(&operator, open_draft()).await.expect("tested").success());
    assert!(tests.test_draft(&context(), draft()).await.expect("tested").success());
    assert_eq!(probe.sent.lock().expect("not poisoned").len(), 2);
    assert_eq!(world.storage.entries().len(), 0, "nothing is registered");
    let id = world.registered(open_draft()).await.id;
    assert!(matches!(tests.test(&context_only([]), id).await, Err(Error::ConnectorNotFound)));
    for page in world.storage.calls() {
        assert!(matches!(world.logs.find(&context_only([id]), page.log.intent.id).await, Err(Error::LogNotFound)));
        world.logs.find(&context(), page.log.intent.id).await.expect("found");
    }
    assert_eq!(json!(letters(&tests.test(&operator, id).await.expect("tested"))), json!("PNPPP"));
}
