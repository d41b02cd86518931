//! The retry quota at work (RT-8).

use application::execution::CallLimits;
use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus::{Failed, Success};

use crate::fakes::Step;
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

/// Up to two retries, without a breaker that would end it all before.
fn world() -> (World, ConnectorDraft) {
    let world = World::new().limited(CallLimits { circuit_breaker: false, ..CallLimits::default() });
    (world, draft("Company HR System"))
}

fn draft(name: &str) -> ConnectorDraft {
    ConnectorDraft { name: Some(name.to_owned()), max_retry_attempts: Some(2.into()), ..open_draft() }
}

/// Calls that fail whatever is done, until 35 retries have used up the quota (10 of 500 are left).
async fn use_up(world: &World, id: domain::id::ConnectorId) {
    for _ in 0..17 {
        let execution = world.executed(id, pull(), [503; 3].map(Step::status)).await;
        assert_eq!(execution.log.attempt_count, 3);
    }
    let execution = world.executed(id, pull(), [503; 2].map(Step::status)).await;
    assert_eq!(outcome(&execution), (Failed, Some(ErrorCode::RetryQuotaExhausted)));
    assert_eq!(execution.log.attempt_count, 2);
}

#[tokio::test(start_paused = true)]
async fn rt_8_a_thousand_calls_to_a_dead_upstream_make_1035_attempts() {
    let (world, draft) = world();
    let id = world.enabled(draft).await;
    world.executor.will((0..1_035).map(|_| Step::status(503)));
    let mut attempts = 0;
    for _ in 0..1_000 {
        attempts += world.calls.execute(&context(), id, pull()).await.expect("executed").log.attempt_count;
    }
    assert_eq!(attempts, 1_035);
}

#[tokio::test(start_paused = true)]
async fn rt_8_a_retry_that_is_not_paid_for_is_not_made_and_the_log_says_after_what() {
    let (world, draft) = world();
    let id = world.enabled(draft).await;
    use_up(&world, id).await;
    let execution = world.executed(id, pull(), [Step::status(503)]).await;
    let failure = failure_of(&execution).expect("a failure");
    assert_eq!((failure.code, failure.retryable), (ErrorCode::RetryQuotaExhausted, true));
    assert!(failure.message.ends_with("after: the upstream answered 503"), "{}", failure.message);
    let page = world.storage.calls().pop().expect("the last call");
    assert_eq!((page.log.attempt_count, page.attempts.len()), (1, 1), "the attempt that was made is kept");
    assert_eq!(page.log.completion.and_then(|completion| completion.http_status_code), Some(503));
}

#[tokio::test(start_paused = true)]
async fn rt_8_successes_pay_for_retries_and_a_retry_that_helps_costs_nothing() {
    let (world, draft) = world();
    let id = world.enabled(draft).await;
    for _ in 0..100 {
        assert_eq!(outcome(&world.executed(id, pull(), [503, 204].map(Step::status)).await), (Success, None));
    }
    use_up(&world, id).await;
    for _ in 0..3 {
        world.executed(id, pull(), [Step::status(204)]).await;
    }
    assert_eq!(world.executed(id, pull(), [Step::status(503)]).await.log.attempt_count, 1, "13 are not 14");
    world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(world.executed(id, pull(), [503, 503].map(Step::status)).await.log.attempt_count, 2);
}

#[tokio::test(start_paused = true)]
async fn rt_8_throttled_calls_have_a_hundred_retries() {
    let (world, draft) = world();
    let id = world.enabled(draft).await;
    for _ in 0..50 {
        assert_eq!(world.executed(id, pull(), [429; 3].map(Step::status)).await.log.attempt_count, 3);
    }
    let execution = world.executed(id, pull(), [Step::status(429)]).await;
    assert_eq!(outcome(&execution), (Failed, Some(ErrorCode::RetryQuotaExhausted)));
}

#[tokio::test(start_paused = true)]
async fn rt_8_a_retry_that_was_paid_for_and_not_made_costs_nothing() {
    let (world, draft) = world();
    let id = world.enabled(draft).await;
    let context = context();
    for _ in 0..40 {
        world.executor.will([Step::status(503)]);
        let disable = async {
            tokio::time::sleep(seconds(1)).await;
            world.connectors.disable(&context, id, None).await.expect("disabled");
        };
        let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), disable);
        let execution = execution.expect("executed");
        assert_eq!(outcome(&execution), (Failed, Some(ErrorCode::ConnectorDisabled)));
        world.connectors.enable(&context, id, None).await.expect("enabled");
    }
    use_up(&world, id).await;
}

#[tokio::test(start_paused = true)]
async fn rt_8_one_connector_does_not_use_up_the_quota_of_another() {
    let (world, one) = world();
    let id = world.enabled(one).await;
    let other = world.enabled(draft("Another")).await;
    use_up(&world, id).await;
    assert_eq!(outcome(&world.executed(other, pull(), [503, 503, 204].map(Step::status)).await), (Success, None));
}
