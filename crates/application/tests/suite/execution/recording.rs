//! What is durable when: the intent before the first byte, every attempt, the outcome whatever it is.

use std::time::Duration;

use application::error::Error;
use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus;
use serde_json::json;
use tokio::time::Instant;

use crate::fakes::{Operation, Step};
use crate::world::{World, context, draft, failure_of, open_draft, outcome, pull, seconds};

#[tokio::test]
async fn du_1_the_intent_is_durable_before_the_secret_is_looked_up_and_the_executor_is_asked() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    let execution = world.executed(id, pull(), [Step::json(200, &json!([]))]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    assert_eq!(world.journal.lines(), ["FindConnector", "BeginCall", "resolve", "attempt 1", "CompleteCall"]);
    let page = world.storage.only_call();
    assert_eq!((page.log, page.attempts.len()), (execution.log, 1));
}

#[tokio::test]
async fn du_1_without_the_intent_nothing_is_sent() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.storage.take_away(Operation::BeginCall);
    let refused = world.calls.execute(&context(), id, pull()).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!(world.journal.lines(), ["FindConnector", "BeginCall"]);
    assert!(world.executor.plans().is_empty() && world.storage.calls().is_empty());
}

#[tokio::test]
async fn without_its_connector_a_call_is_not_begun() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.storage.take_away(Operation::FindConnector);
    let refused = world.calls.execute(&context(), id, pull()).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!(world.journal.lines(), ["FindConnector"]);
}

#[tokio::test(start_paused = true)]
async fn rt_11_a_failed_attempt_is_durable_before_the_wait_and_the_last_comes_with_the_outcome() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let begun = Instant::now();
    let execution = world.executed(id, pull(), [Step::status(503), Step::status(503), Step::status(204)]).await;
    assert_eq!(begun.elapsed(), seconds(15), "5 s and 10 s of back-off");
    assert_eq!(
        world.journal.lines(),
        [
            "FindConnector",
            "BeginCall",
            "attempt 1",
            "RecordAttempt",
            "IsEnabled",
            "attempt 2",
            "RecordAttempt",
            "IsEnabled",
            "attempt 3",
            "CompleteCall"
        ]
    );
    let page = world.storage.only_call();
    assert_eq!((page.log.status(), page.log.attempt_count), (IntegrationStatus::Success, 3));
    let told: Vec<_> =
        page.attempts.iter().map(|attempt| (attempt.number, attempt.http_status_code, attempt.waited)).collect();
    assert_eq!(told, [(1, Some(503), Duration::ZERO), (2, Some(503), seconds(5)), (3, Some(204), seconds(10))]);
    let completion = execution.log.completion.expect("completed");
    assert_eq!((completion.http_status_code, completion.duration), (Some(204), seconds(15)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_recorded_ends_the_call_and_is_written_with_the_outcome() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.take_away(Operation::RecordAttempt);
    let begun = Instant::now();
    let execution = world.executed(id, pull(), [Step::status(503)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::InternalError)));
    assert!(failure_of(&execution).is_some_and(|failure| failure.retryable));
    assert_eq!(begun.elapsed(), Duration::ZERO, "no wait");
    let page = world.storage.only_call();
    assert_eq!((page.log.attempt_count, page.attempts.len()), (1, 1));
    assert_eq!(page.attempts[0].http_status_code, Some(503));
}

#[tokio::test(start_paused = true)]
async fn du_4_an_outcome_is_written_once_the_store_is_back() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.take_away(Operation::CompleteCall);
    let execution = world.executed(id, pull(), [Step::json(200, &json!([1]))]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None), "the caller learns the true outcome");
    assert!(!execution.recorded && execution.response.is_some());
    let unwritten = world.storage.only_call().log;
    assert_eq!(unwritten.status(), IntegrationStatus::InProgress);

    tokio::time::sleep(seconds(20)).await;
    world.storage.bring_back(Operation::CompleteCall);
    let healed = Instant::now();
    world.calls.drain().await;
    assert!(healed.elapsed() <= seconds(1), "soon: {:?}", healed.elapsed());
    let page = world.storage.only_call();
    assert_eq!((&page.log, page.attempts.len()), (&execution.log, 1));
    assert!(page.payloads.response.is_some());
}

#[tokio::test(start_paused = true)]
async fn du_4_an_outcome_is_given_up_after_30_seconds() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.take_away(Operation::CompleteCall);
    let begun = Instant::now();
    let execution = world.executed(id, pull(), [Step::status(204)]).await;
    assert!(!execution.recorded);
    assert_eq!(begun.elapsed(), Duration::ZERO, "the caller does not wait for it");
    world.calls.drain().await;
    assert!((seconds(29)..=seconds(31)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(world.storage.only_call().log.status(), IntegrationStatus::InProgress);
    let tries = world.journal.count("CompleteCall");
    world.storage.bring_back(Operation::CompleteCall);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.journal.count("CompleteCall"), tries);
}

#[tokio::test(start_paused = true)]
async fn du_7_a_panic_becomes_a_failed_row_and_the_service_lives() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let execution = world.executed(id, pull(), [Step::status(503), Step::Panic]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::InternalError)));
    assert!(execution.recorded);
    let page = world.storage.only_call();
    assert_eq!((&page.log, page.log.attempt_count, page.attempts.len()), (&execution.log, 2, 1));
    let next = world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(outcome(&next), (IntegrationStatus::Success, None));
}

#[tokio::test(start_paused = true)]
async fn rt_13_a_call_whose_caller_goes_away_is_finished_and_recorded() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will([Step::status(503).after(seconds(2)), Step::json(200, &json!([])).after(seconds(3))]);
    let context = context();
    tokio::time::timeout(seconds(1), world.calls.execute(&context, id, pull())).await.expect_err("the caller is gone");
    assert_eq!(world.storage.only_call().log.status(), IntegrationStatus::InProgress);
    world.calls.drain().await;
    let page = world.storage.only_call();
    assert_eq!((page.log.status(), page.log.attempt_count, page.attempts.len()), (IntegrationStatus::Success, 2, 2));
    let completion = page.log.completion.expect("completed");
    assert_eq!(completion.duration, seconds(10));
}

#[tokio::test(start_paused = true)]
async fn calls_do_not_wait_for_one_another() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let begun = Instant::now();
    world.executor.will((0..25).map(|_| Step::status(204).after(seconds(2))));
    let context = context();
    let calls = (0..25).map(|_| world.calls.execute(&context, id, pull()));
    let executions = futures_util::future::join_all(calls).await;
    assert_eq!(begun.elapsed(), seconds(2));
    assert!(executions.iter().all(Result::is_ok));
    let statuses = world.storage.calls().into_iter().map(|page| page.log.status());
    assert_eq!(statuses.filter(|status| *status == IntegrationStatus::Success).count(), 25);
}
