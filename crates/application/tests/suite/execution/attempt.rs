//! What the service decides between attempts, and what every attempt carries.

use application::connector::Precondition;
use domain::call::CallDraft;
use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::integration_log::{HttpMethod, IntegrationStatus};
use serde_json::json;
use tokio::time::Instant;

use crate::fakes::{Operation, Step};
use crate::world::{TRACE, World, context, failure_of, open_draft, outcome, pull, push, seconds};

fn with_key() -> ConnectorDraft {
    ConnectorDraft { idempotency_key_header: Some("Idempotency-Key".to_owned()), ..open_draft() }
}

#[tokio::test(start_paused = true)]
async fn rt_10_a_connector_disabled_during_the_back_off_makes_no_further_attempt() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let context = context();
    world.executor.will([Step::json(503, &json!({ "error": "maintenance" })), Step::status(204)]);
    let disable = async {
        tokio::time::sleep(seconds(1)).await;
        world.connectors.disable(&context, id, Some("wrong data")).await.expect("disabled");
    };
    let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), disable);
    let execution = execution.expect("executed");
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::ConnectorDisabled)));
    assert_eq!(world.journal.count("attempt 2"), 0);
    let page = world.storage.only_call();
    assert_eq!((page.log.attempt_count, page.attempts.len()), (1, 1));
    let completion = page.log.completion.expect("completed");
    assert_eq!(completion.http_status_code, Some(503), "the last answer stays told");
    assert!(completion.failure.is_some_and(|failure| !failure.retryable));
}

#[tokio::test(start_paused = true)]
async fn rt_10_a_connector_deleted_during_the_back_off_makes_no_further_attempt() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let context = context();
    world.executor.will([Step::status(503), Step::status(204)]);
    let delete = async {
        tokio::time::sleep(seconds(1)).await;
        world.connectors.disable(&context, id, None).await.expect("disabled");
        world.connectors.delete(&context, id, &Precondition::None).await.expect("deleted");
    };
    let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), delete);
    assert_eq!(outcome(&execution.expect("executed")), (IntegrationStatus::Failed, Some(ErrorCode::ConnectorDisabled)));
    assert_eq!((world.journal.count("attempt 1"), world.journal.count("attempt 2")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn rt_10_a_connector_enabled_again_within_the_back_off_goes_on() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let context = context();
    world.executor.will([Step::status(503), Step::status(204)]);
    let flap = async {
        tokio::time::sleep(seconds(1)).await;
        world.connectors.disable(&context, id, None).await.expect("disabled");
        world.connectors.enable(&context, id, None).await.expect("enabled");
    };
    let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), flap);
    assert_eq!(outcome(&execution.expect("executed")), (IntegrationStatus::Success, None));
}

#[tokio::test(start_paused = true)]
async fn rt_10_no_attempt_is_made_while_nobody_can_say_whether_the_connector_is_enabled() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.take_away(Operation::IsEnabled);
    let execution = world.executed(id, pull(), [Step::status(503)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::InternalError)));
    assert!(failure_of(&execution).is_some_and(|failure| failure.retryable));
    assert_eq!((execution.recorded, execution.log.attempt_count), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_makes_at_most_one_attempt_more_than_its_retries() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { max_retry_attempts: Some(2.into()), ..open_draft() }).await;
    let execution = world.executed(id, pull(), (0..3).map(|_| Step::status(503))).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::HttpStatus)));
    assert!(failure_of(&execution).is_some_and(|failure| failure.retryable));
    let page = world.storage.only_call();
    assert_eq!((page.log.attempt_count, page.attempts.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn rt_2_a_call_ends_by_the_deadline_of_its_connector() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(7.into()), ..open_draft() }).await;
    let begun = Instant::now();
    let execution = world.executed(id, pull(), [Step::status(503), Step::status(503)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::DeadlineExceeded)));
    assert_eq!(begun.elapsed(), seconds(5), "no sleeping into the deadline");
}

#[tokio::test(start_paused = true)]
async fn rt_5_all_attempts_of_a_call_have_one_idempotency_key_and_every_call_its_own() {
    let world = World::new();
    let id = world.enabled(with_key()).await;
    let one = world.executed(id, push(&json!({ "a": 1 })), [Step::status(503), Step::status(204)]).await;
    assert_eq!(outcome(&one), (IntegrationStatus::Success, None), "a POST with a key is repeated");
    assert_eq!(one.log.attempt_count, 2);
    world.executed(id, push(&json!({ "a": 1 })), [Step::status(204)]).await;
    let plans = world.executor.plans();
    assert_eq!(plans.len(), 2, "one plan for all attempts of a call");
    let keys: Vec<_> = plans.into_iter().map(|plan| plan.idempotency_key.expect("a key")).collect();
    assert!(keys.iter().all(|(header, key)| header == "Idempotency-Key" && !key.is_empty()));
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test(start_paused = true)]
async fn rt_5_without_an_idempotency_key_a_post_that_may_have_arrived_is_sent_once() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let execution = world.executed(id, push(&json!({ "a": 1 })), [Step::status(503)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::HttpStatus)));
    assert_eq!(execution.log.attempt_count, 1);
    assert_eq!(world.executor.plans()[0].idempotency_key, None);
}

#[tokio::test]
async fn co_2_the_correlation_id_and_the_trace_reach_the_attempts_and_the_row() {
    let world = World::new();
    let execution = world.pulled([Step::status(204)]).await;
    let plan = &world.executor.plans()[0];
    assert_eq!(plan.correlation_id.as_str(), "corr-12345");
    assert_eq!(plan.trace, context().trace);
    let intent = execution.log.intent;
    assert_eq!(intent.correlation_id.as_str(), "corr-12345");
    assert!(TRACE.contains(&intent.trace_id.to_string()));
}

#[tokio::test]
async fn a_call_goes_out_as_it_was_asked_for() {
    let world = World::new();
    let settings =
        ConnectorDraft { attempt_timeout_seconds: Some(7.into()), deadline_seconds: Some(20.into()), ..open_draft() };
    let id = world.enabled(settings).await;
    let call = CallDraft {
        method: Some("PUT".to_owned()),
        query: vec![("page".to_owned(), "1 2".to_owned())],
        headers: vec![("Accept-Language".to_owned(), "en".to_owned())],
        ..push(&json!({ "hours": 37.50, "a": null }))
    };
    let execution = world.executed(id, call, [Step::status(204)]).await;
    let plan = &world.executor.plans()[0];
    assert_eq!((plan.method, plan.url.as_str()), (HttpMethod::Put, "https://api.hr.example.com/v1/employees?page=1+2"));
    assert_eq!(plan.headers, [("Accept-Language".to_owned(), "en".to_owned())]);
    assert_eq!(plan.body.as_deref(), Some(r#"{"hours":37.5,"a":null}"#));
    assert_eq!(plan.attempt_timeout, seconds(7));
    assert!((seconds(19)..=seconds(20)).contains(&plan.time_left), "{:?}", plan.time_left);
    let intent = execution.log.intent;
    assert_eq!((intent.endpoint.as_str(), intent.method), ("/employees", HttpMethod::Put));
}
