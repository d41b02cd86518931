//! From the reference to what a request carries.

use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fakes::{SentPlan, Step};
use crate::world::{World, draft, failure_of, outcome, pull, seconds};

fn authenticated(kind: &str, settings: Value) -> ConnectorDraft {
    ConnectorDraft { authentication_type: Some(kind.to_owned()), authentication_settings: Some(settings), ..draft() }
}

async fn plan_of(draft: ConnectorDraft, secret: &str) -> SentPlan {
    let world = World::new();
    world.secrets.put("HR", secret);
    let id = world.enabled(draft).await;
    world.executed(id, pull(), [Step::status(204)]).await;
    world.executor.plans().remove(0)
}

#[rstest]
#[case("ApiKey", json!({}), "k3y-value", ("X-API-Key", "k3y-value"))]
#[case("ApiKey", json!({ "headerName": "X-HR" }), "k3y-value", ("X-HR", "k3y-value"))]
#[case("Bearer", json!({}), "t0ken-value", ("Authorization", "Bearer t0ken-value"))]
#[case("Basic", json!({}), "Aladdin:open sesame", ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))]
#[case("Basic", json!({}), "user:pass:word", ("Authorization", "Basic dXNlcjpwYXNzOndvcmQ="))]
#[tokio::test]
async fn a_credential_reaches_the_plan_as_a_header(
    #[case] kind: &str,
    #[case] settings: Value,
    #[case] secret: &str,
    #[case] header: (&str, &str),
) {
    let plan = plan_of(authenticated(kind, settings), secret).await;
    let sent = plan.header.expect("a header");
    assert_eq!((sent.0.as_str(), sent.1.as_str()), header);
    assert_eq!(plan.query, None);
    assert!(plan.headers.is_empty() && !plan.url.contains(secret), "nowhere else");
}

#[tokio::test]
async fn an_api_key_reaches_the_plan_as_a_query_parameter_outside_of_the_url() {
    let plan = plan_of(authenticated("ApiKey", json!({ "queryParameter": "key" })), "k3y-value").await;
    assert_eq!(plan.query, Some(("key".to_owned(), "k3y-value".to_owned())));
    assert_eq!((plan.header, plan.url.as_str()), (None, "https://api.hr.example.com/v1/employees"));
}

#[tokio::test]
async fn an_open_upstream_needs_no_secret_store() {
    let world = World::new();
    world.secrets.go_down();
    let execution = world.pulled([Step::status(204)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    assert_eq!(world.journal.count("resolve"), 0);
    assert_eq!((&world.executor.plans()[0].header, &world.executor.plans()[0].query), (&None, &None));
}

#[tokio::test]
async fn a_missing_secret_ends_the_call_before_its_first_attempt() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.secrets.remove("HR");
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretNotFound)));
    let failure = failure_of(&execution).expect("a failure");
    assert!(failure.message.contains("SecretStore:HR") && !failure.retryable, "{failure:?}");
    assert!(world.executor.plans().is_empty());
    let page = world.storage.only_call();
    assert_eq!((&page.log, page.log.attempt_count, page.attempts.len()), (&execution.log, 0, 0));
}

#[tokio::test]
async fn a_secret_store_that_is_down_ends_the_call_before_its_first_attempt() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.secrets.go_down();
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretUnavailable)));
    assert!(failure_of(&execution).is_some_and(|failure| failure.retryable));
    assert!(world.executor.plans().is_empty());
    assert_eq!(world.storage.only_call().log.attempt_count, 0);
}

#[tokio::test(start_paused = true)]
async fn rt_2_a_slow_secret_store_ends_the_call_at_its_deadline() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(20.into()), ..draft() }).await;
    world.secrets.slow_down(seconds(3_600));
    let begun = Instant::now();
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(begun.elapsed(), seconds(20));
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretUnavailable)));
    assert!(world.executor.plans().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rt_2_the_look_up_of_the_secret_is_within_the_deadline() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(20.into()), ..draft() }).await;
    world.secrets.slow_down(seconds(8));
    world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(world.executor.plans()[0].time_left, seconds(12));
}

#[tokio::test]
async fn a_basic_secret_without_a_colon_is_not_sent_and_not_repeated() {
    let world = World::new();
    let id = world.enabled(authenticated("Basic", json!({}))).await;
    world.secrets.put("HR", "c4nary-without-colon");
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretNotFound)));
    assert!(world.executor.plans().is_empty());
    assert!(!format!("{execution:?}{}", world.storage.dump()).contains("c4nary"));
}

#[rstest]
#[case(6 * 1024, true)]
#[case(6 * 1024 + 1, false)]
#[tokio::test]
async fn a_secret_that_no_header_holds_is_not_sent(#[case] bytes: usize, #[case] sent: bool) {
    let world = World::new();
    world.secrets.put("HR", &"Z".repeat(bytes));
    let id = world.enabled(draft()).await;
    let execution = world.executed(id, pull(), sent.then(|| Step::status(204))).await;
    assert_eq!(world.executor.plans().len(), usize::from(sent));
    if !sent {
        assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretNotFound)));
        let message = &failure_of(&execution).expect("a failure").message;
        assert!(message.contains("SecretStore:HR") && message.contains("too large to be sent"), "{message}");
    }
}
