//! A 401 with a cached secret or token (RT-12).

use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus;
use domain::retry::WaitReason;
use rstest::rstest;
use serde_json::json;

use super::token::{BOTH, oauth};
use crate::fakes::Step;
use crate::world::{World, draft, outcome, pull, push, seconds};

/// A world whose connector has used its first token already.
async fn with_a_cached_token(settings: ConnectorDraft) -> (World, domain::id::ConnectorId) {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    world.tokens.will_issue(["t0ken-value-1"]);
    let id = world.enabled(settings).await;
    world.executed(id, pull(), [Step::status(204)]).await;
    world.journal.clear();
    (world, id)
}

/// What the last call proved itself with: the value of its header, and of the one that replaced it.
fn sent(world: &World) -> Vec<String> {
    let plan = world.executor.plans().pop().expect("a plan");
    plan.header.into_iter().chain(plan.renewed).map(|(_, value)| value).collect()
}

#[tokio::test(start_paused = true)]
async fn rt_12_a_401_is_tried_once_more_with_a_renewed_token_and_without_a_wait() {
    let (world, id) = with_a_cached_token(oauth(&json!({}))).await;
    world.tokens.will_issue(["t0ken-value-2"]);
    let refused = Step::body(401, "text/plain", b"t0ken-value-1 is not accepted");
    let execution = world.executed(id, pull(), [refused, Step::body(200, "text/plain", b"t0ken-value-2")]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    assert_eq!(sent(&world), ["Bearer t0ken-value-1", "Bearer t0ken-value-2"]);
    let page = world.storage.last_call();
    let waits: Vec<_> = page.attempts.iter().map(|attempt| (attempt.waited, attempt.wait_reason)).collect();
    assert_eq!(waits, [(seconds(0), None), (seconds(0), Some(WaitReason::CredentialRenewed))]);
    assert_eq!(page.log.attempt_count, 2);
    let kept = format!("{execution:?}{}", world.storage.dump());
    assert!(!kept.contains("t0ken-value"), "the new one is redacted, too: {kept}");
}

#[tokio::test]
async fn rt_12_a_second_401_ends_the_call() {
    let (world, id) = with_a_cached_token(oauth(&json!({}))).await;
    world.tokens.will_issue(["t0ken-value-2"]);
    let execution = world.executed(id, pull(), [Step::status(401), Step::status(401)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::HttpStatus)));
    assert_eq!(execution.log.attempt_count, 2);
    assert_eq!(world.tokens.asked().len(), 2);
}

#[tokio::test]
async fn rt_12_a_token_that_was_made_for_this_call_is_not_renewed() {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    world.tokens.will_issue(["t0ken-value-1"]);
    let id = world.enabled(oauth(&json!({}))).await;
    let execution = world.executed(id, pull(), [Step::status(401)]).await;
    assert_eq!((outcome(&execution).1, execution.log.attempt_count), (Some(ErrorCode::HttpStatus), 1));
    assert_eq!(world.tokens.asked().len(), 1);
}

#[tokio::test]
async fn rt_12_the_same_token_again_is_not_sent_again() {
    let (world, id) = with_a_cached_token(oauth(&json!({}))).await;
    world.tokens.will_issue(["t0ken-value-1"]);
    let execution = world.executed(id, pull(), [Step::status(401)]).await;
    assert_eq!((outcome(&execution).1, execution.log.attempt_count), (Some(ErrorCode::HttpStatus), 1));
}

#[tokio::test]
async fn rt_12_without_a_new_token_the_401_stands() {
    let (world, id) = with_a_cached_token(oauth(&json!({}))).await;
    world.tokens.will_refuse(false, "try later");
    let execution = world.executed(id, pull(), [Step::status(401)]).await;
    assert_eq!((outcome(&execution).1, execution.log.attempt_count), (Some(ErrorCode::HttpStatus), 1));
}

#[rstest]
#[case::retries_are_off(0, None, false)]
#[case::a_post_that_may_not_arrive_twice(3, None, true)]
#[tokio::test]
async fn rt_12_it_is_one_of_the_retries_and_passes_the_method_gate(
    #[case] retries: u32,
    #[case] key: Option<&str>,
    #[case] writes: bool,
) {
    let settings = ConnectorDraft {
        max_retry_attempts: Some(retries.into()),
        idempotency_key_header: key.map(str::to_owned),
        ..oauth(&json!({}))
    };
    let (world, id) = with_a_cached_token(settings).await;
    let call = if writes { push(&json!({})) } else { pull() };
    let execution = world.executed(id, call, [Step::status(401)]).await;
    assert_eq!((outcome(&execution).1, execution.log.attempt_count), (Some(ErrorCode::HttpStatus), 1));
    assert_eq!(world.tokens.asked().len(), 1, "nothing is asked for that could not be used");
}

#[tokio::test]
async fn rt_12_a_post_with_an_idempotency_key_is_tried_once_more() {
    let settings = ConnectorDraft { idempotency_key_header: Some("Idempotency-Key".to_owned()), ..oauth(&json!({})) };
    let (world, id) = with_a_cached_token(settings).await;
    world.tokens.will_issue(["t0ken-value-2"]);
    let execution = world.executed(id, push(&json!({})), [Step::status(401), Step::status(204)]).await;
    assert_eq!((outcome(&execution).0, execution.log.attempt_count), (IntegrationStatus::Success, 2));
}

#[tokio::test]
async fn rt_12_a_secret_that_was_rotated_behind_the_cache_is_sent_at_once() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.secrets.rotate_unseen("HR", "hr-rotated-value");
    let steps = [Step::status(401), Step::body(200, "text/plain", b"hello hr-rotated-value")];
    let execution = world.executed(id, pull(), steps).await;
    assert_eq!((outcome(&execution).0, execution.log.attempt_count), (IntegrationStatus::Success, 2));
    assert_eq!(sent(&world), ["hr-secret-value", "hr-rotated-value"]);
    assert!(!format!("{execution:?}{}", world.storage.dump()).contains("hr-rotated-value"));
}

#[tokio::test]
async fn rt_12_a_secret_that_is_still_the_same_is_not_sent_again() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    let execution = world.executed(id, pull(), [Step::status(401)]).await;
    assert_eq!((outcome(&execution).1, execution.log.attempt_count), (Some(ErrorCode::HttpStatus), 1));
}
