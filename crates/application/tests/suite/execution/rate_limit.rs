//! Waiting for the rate limit and for pauses (RL-1 to RL-3, RT-7).

use std::time::Duration;

use application::connector::Precondition;
use application::execution::{CallLimits, Execution};
use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::id::ConnectorId;
use domain::integration_log::IntegrationStatus::{Failed, Success};
use domain::repository::RateLimits;
use domain::retry::WaitReason;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::fakes::{Operation, Step};
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

fn limited(limit: u32) -> ConnectorDraft {
    ConnectorDraft { rate_limit_per_minute: Some(limit.into()), max_retry_attempts: Some(0.into()), ..open_draft() }
}

/// A call after so much time.
async fn call_after(world: &World, id: ConnectorId, delay: Duration) -> Execution {
    sleep(delay).await;
    world.calls.execute(&context(), id, pull()).await.expect("executed")
}

fn answers(number: usize) -> impl Iterator<Item = Step> {
    (0..number).map(|_| Step::status(204))
}

/// How long the only attempt of the newest call waited, and why.
fn waited(world: &World) -> (Duration, Option<WaitReason>) {
    let page = world.storage.calls().pop().expect("a call");
    page.attempts.last().map(|attempt| (attempt.waited, attempt.wait_reason)).expect("an attempt")
}

#[tokio::test(start_paused = true)]
async fn rl_3_a_call_without_a_slot_ends_after_five_seconds_without_an_attempt_and_says_when_to_come_back() {
    let world = World::new();
    let id = world.enabled(limited(1)).await;
    assert_eq!(outcome(&world.executed(id, pull(), answers(1)).await), (Success, None));
    let begun = Instant::now();
    let refused = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&refused), (Failed, Some(ErrorCode::RateLimited)));
    assert_eq!((refused.log.attempt_count, begun.elapsed()), (0, seconds(5)));
    let failure = failure_of(&refused).expect("a failure");
    assert!(failure.retryable);
    let again = failure.retry_after.expect("a time");
    assert!(again > seconds(55) && again <= seconds(57), "{again:?}");

    sleep(again).await;
    assert_eq!(outcome(&world.executed(id, pull(), answers(1)).await), (Success, None));
    assert_eq!(waited(&world), (Duration::ZERO, None));
}

#[tokio::test(start_paused = true)]
async fn rl_3_nobody_waits_into_the_deadline() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(2.into()), ..limited(1) }).await;
    world.executed(id, pull(), answers(1)).await;
    let begun = Instant::now();
    let refused = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&refused), (Failed, Some(ErrorCode::RateLimited)));
    assert!(begun.elapsed() < seconds(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn rl_3_a_deadline_that_leaves_no_time_to_ask_is_no_fault_of_the_store() {
    let limits = CallLimits { max_concurrent_calls_per_connector: 1, ..CallLimits::default() };
    let world = World::new().limited(limits);
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(2.into()), ..limited(60) }).await;
    world.executor.will([Step::status(204).after(Duration::from_millis(1_950)), Step::status(204)]);
    let soon = Duration::from_millis(1);
    let (first, second) = tokio::join!(call_after(&world, id, Duration::ZERO), call_after(&world, id, soon));
    assert_eq!(outcome(&first), (Success, None));
    assert_eq!(outcome(&second), (Failed, Some(ErrorCode::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn rl_3_whoever_came_first_goes_first_and_the_log_says_how_long_it_waited() {
    let world = World::new();
    let id = world.enabled(limited(1)).await;
    world.executed(id, pull(), answers(1)).await;
    world.executor.will(answers(1));
    let (early, first, second) = tokio::join!(
        call_after(&world, id, seconds(55)),
        call_after(&world, id, seconds(57)),
        call_after(&world, id, seconds(58)),
    );
    assert_eq!(outcome(&early), (Failed, Some(ErrorCode::RateLimited)), "it gave its place up after 5 s");
    assert_eq!(outcome(&first), (Success, None));
    assert_eq!(outcome(&second), (Failed, Some(ErrorCode::RateLimited)));
    let pages = world.storage.calls();
    let attempt = pages.iter().find(|page| page.log.intent.id == first.log.intent.id).map(|page| &page.attempts[0]);
    let attempt = attempt.expect("its attempt");
    assert_eq!(attempt.wait_reason, Some(WaitReason::RateLimit));
    assert!(attempt.waited >= seconds(4) && attempt.waited <= Duration::from_millis(4_500), "{:?}", attempt.waited);
}

#[tokio::test(start_paused = true)]
async fn rl_2_retries_count_like_all_other_attempts() {
    let world = World::new();
    let retrying =
        ConnectorDraft { max_retry_attempts: Some(5.into()), retry_delay_seconds: Some(0.into()), ..limited(2) };
    let id = world.enabled(retrying).await;
    let refused = world.executed(id, pull(), [Step::status(503), Step::status(503)]).await;
    assert_eq!(outcome(&refused), (Failed, Some(ErrorCode::RateLimited)));
    assert_eq!(refused.log.attempt_count, 2);
}

#[tokio::test(start_paused = true)]
async fn rl_2_without_the_store_nothing_is_sent() {
    let world = World::new();
    let id = world.enabled(limited(60)).await;
    world.storage.take_away(Operation::TakePermits);
    let begun = Instant::now();
    let refused = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&refused), (Failed, Some(ErrorCode::InternalError)));
    assert!(failure_of(&refused).is_some_and(|failure| failure.retryable && failure.message.contains("store")));
    assert_eq!((refused.log.attempt_count, begun.elapsed()), (0, Duration::ZERO));
    world.storage.bring_back(Operation::TakePermits);
    assert_eq!(outcome(&world.executed(id, pull(), answers(1)).await), (Success, None));
}

#[tokio::test(start_paused = true)]
async fn rl_3_a_blocked_connector_does_not_slow_another() {
    let world = World::new();
    let blocked = world.enabled(limited(1)).await;
    let other = world.enabled(ConnectorDraft { name: Some("Other".to_owned()), ..limited(60) }).await;
    world.executed(blocked, pull(), answers(1)).await;
    world.executor.will(answers(10));
    let begun = Instant::now();
    let free = async {
        let others = join_all((0..10).map(|_| call_after(&world, other, seconds(1)))).await;
        assert!(others.iter().all(|execution| outcome(execution) == (Success, None)));
        assert_eq!(begun.elapsed(), seconds(1));
    };
    let waiting = join_all((0..10).map(|_| call_after(&world, blocked, Duration::ZERO)));
    let ((), refused) = tokio::join!(free, waiting);
    assert!(refused.iter().all(|execution| outcome(execution) == (Failed, Some(ErrorCode::RateLimited))));
}

#[tokio::test(start_paused = true)]
async fn rl_1_one_ask_is_for_all_who_wait() {
    let world = World::new();
    let id = world.enabled(limited(100_000)).await;
    world.executor.will(answers(25));
    let executions = join_all((0..25).map(|_| call_after(&world, id, Duration::ZERO))).await;
    assert!(executions.iter().all(|execution| outcome(execution) == (Success, None)));
    let asks = world.storage.asks();
    assert_eq!(asks.iter().sum::<u32>(), 25);
    assert!(asks.len() < 10, "{asks:?}");
}

#[tokio::test(start_paused = true)]
async fn rl_1_a_limit_that_is_raised_lets_those_go_who_wait() {
    let world = World::new();
    let id = world.enabled(limited(1)).await;
    world.executed(id, pull(), answers(1)).await;
    world.executor.will(answers(1));
    let raise = async {
        sleep(seconds(1)).await;
        world.connectors.reconfigure(&context(), id, &Precondition::None, limited(2)).await.expect("reconfigured");
    };
    let begun = Instant::now();
    let (execution, ()) = tokio::join!(call_after(&world, id, Duration::ZERO), raise);
    assert_eq!(outcome(&execution), (Success, None));
    assert!(begun.elapsed() <= seconds(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn rt_7_what_an_upstream_asks_of_one_call_all_calls_heed() {
    let world = World::new();
    let id = world.enabled(limited(60)).await;
    let throttled = world.executed(id, pull(), [Step::status(429).with_header("retry-after", "3")]).await;
    assert_eq!(outcome(&throttled), (Failed, Some(ErrorCode::HttpStatus)));
    let begun = Instant::now();
    assert_eq!(outcome(&world.executed(id, pull(), answers(1)).await), (Success, None));
    assert!(begun.elapsed() >= seconds(3), "{:?}", begun.elapsed());
    let (time, reason) = waited(&world);
    assert_eq!(reason, Some(WaitReason::Paused));
    assert!(time >= seconds(3) && time < seconds(4), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn rt_7_a_pause_holds_for_the_first_attempt_through_a_connector_without_a_limit() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.pause(id, seconds(3)).await.expect("paused");
    let execution = world.executed(id, pull(), answers(1)).await;
    assert_eq!(outcome(&execution), (Success, None));
    let attempt = &world.storage.only_call().attempts[0];
    assert_eq!(attempt.wait_reason, Some(WaitReason::Paused));
    assert!(attempt.waited >= seconds(3), "{:?}", attempt.waited);
}

#[tokio::test(start_paused = true)]
async fn rt_7_a_pause_lasts_a_quarter_of_an_hour_at_most_and_a_real_enabling_ends_it() {
    let world = World::new();
    let id = world.enabled(limited(60)).await;
    world.executed(id, pull(), [Step::status(503).with_header("retry-after", "86400")]).await;
    let refused = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&refused), (Failed, Some(ErrorCode::RateLimited)));
    let again = failure_of(&refused).and_then(|failure| failure.retry_after).expect("a time");
    assert!(again > seconds(890) && again <= seconds(900), "{again:?}");

    world.connectors.enable(&context(), id, None).await.expect("a repeat");
    assert_eq!(outcome(&world.executed(id, pull(), []).await), (Failed, Some(ErrorCode::RateLimited)));
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    world.clock.advance(1);
    world.connectors.enable(&context(), id, None).await.expect("enabled");
    assert_eq!(outcome(&world.executed(id, pull(), answers(1)).await), (Success, None));
}

#[tokio::test(start_paused = true)]
async fn du_6_a_shutdown_ends_the_wait_for_a_slot() {
    let world = World::new();
    let id = world.enabled(limited(1)).await;
    world.executed(id, pull(), answers(1)).await;
    let stop = async {
        sleep(seconds(1)).await;
        world.shutdown.cancel();
    };
    let begun = Instant::now();
    let (execution, ()) = tokio::join!(call_after(&world, id, Duration::ZERO), stop);
    assert_eq!(outcome(&execution), (Failed, Some(ErrorCode::Cancelled)));
    assert_eq!((execution.log.attempt_count, begun.elapsed()), (0, seconds(1)));
}
