//! The circuit breaker at work (RL-5).

use application::execution::{CallLimits, Execution};
use domain::connector::{ConnectorDraft, ConnectorStatus};
use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use domain::integration_log::IntegrationStatus::{Failed, Success};
use domain::repository::ConnectorRepository;
use futures_util::future::join_all;
use rstest::rstest;

use crate::fakes::Step;
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

const OPEN: (domain::integration_log::IntegrationStatus, Option<ErrorCode>) = (Failed, Some(ErrorCode::CircuitOpen));

/// Makes one attempt per call.
fn single() -> ConnectorDraft {
    ConnectorDraft { max_retry_attempts: Some(0.into()), ..open_draft() }
}

/// Ten calls through the connector, which all fail.
async fn ten_failures(world: &World, id: ConnectorId) {
    for _ in 0..10 {
        let execution = world.executed(id, pull(), [Step::status(503)]).await;
        assert_eq!(outcome(&execution), (Failed, Some(ErrorCode::HttpStatus)));
    }
}

/// So many calls at the same time.
async fn together(world: &World, id: ConnectorId, calls: usize) -> Vec<Execution> {
    let context = context();
    let executions = join_all((0..calls).map(|_| world.calls.execute(&context, id, pull()))).await;
    executions.into_iter().map(|execution| execution.expect("executed")).collect()
}

fn let_go(executions: &[Execution]) -> usize {
    executions.iter().filter(|execution| outcome(execution) != OPEN).count()
}

#[tokio::test(start_paused = true)]
async fn rl_5_after_ten_failures_calls_end_without_an_attempt_and_the_connector_stays_enabled() {
    let world = World::new();
    let id = world.enabled(single()).await;
    ten_failures(&world, id).await;
    world.journal.clear();
    tokio::time::advance(seconds(10)).await;
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), OPEN);
    assert_eq!((execution.log.attempt_count, world.journal.count("attempt 1")), (0, 0));
    let failure = failure_of(&execution).expect("a failure");
    assert_eq!((failure.retry_after, failure.retryable), (Some(seconds(20)), true));
    let page = world.storage.calls().pop().expect("the last call");
    assert_eq!((page.log, page.attempts.len()), (execution.log, 0), "it has its row");
    let connector = world.storage.find_connector(id).await.expect("the store").expect("the connector");
    assert_eq!(connector.switch.status, ConnectorStatus::Enabled);
}

#[rstest]
#[case::throttled(|| Step::status(429), true)]
#[case::timed_out(|| Step::Broken(Failure::new(ErrorCode::AttemptTimeout, "no answer")), true)]
#[case::not_found(|| Step::status(404), false)]
#[case::no_certificate(|| Step::Broken(Failure::new(ErrorCode::TlsCertificate, "expired")), false)]
#[tokio::test(start_paused = true)]
async fn rl_5_transient_failures_count_and_no_others(#[case] step: fn() -> Step, #[case] opens: bool) {
    let world = World::new();
    let id = world.enabled(single()).await;
    for _ in 0..10 {
        world.executed(id, pull(), [step()]).await;
    }
    let execution = world.executed(id, pull(), (!opens).then(|| Step::status(204))).await;
    assert_eq!(outcome(&execution) == OPEN, opens);
}

#[tokio::test(start_paused = true)]
async fn rl_5_an_upstream_that_flaps_is_probed_three_times_at_most_per_opening() {
    let world = World::new();
    let id = world.enabled(single()).await;
    ten_failures(&world, id).await;
    for _ in 0..5 {
        tokio::time::advance(seconds(30)).await;
        let flapping = [Step::status(204), Step::status(204), Step::status(503)];
        world.executor.will(flapping.map(|step| step.after(seconds(1))));
        let executions = together(&world, id, 25).await;
        assert_eq!(let_go(&executions), 3);
        assert_eq!(let_go(&together(&world, id, 25).await), 0, "it is open again");
    }
}

#[tokio::test(start_paused = true)]
async fn rl_5_three_probes_that_succeed_close_it() {
    let world = World::new();
    let id = world.enabled(single()).await;
    ten_failures(&world, id).await;
    tokio::time::advance(seconds(30)).await;
    for _ in 0..3 {
        assert_eq!(outcome(&world.executed(id, pull(), [Step::status(204)]).await), (Success, None));
    }
    world.executor.will((0..25).map(|_| Step::status(204)));
    assert_eq!(let_go(&together(&world, id, 25).await), 25);
}

#[tokio::test(start_paused = true)]
async fn rl_5_a_probe_that_ends_without_a_word_counts_as_failed() {
    let world = World::new();
    let id = world.enabled(single()).await;
    ten_failures(&world, id).await;
    tokio::time::advance(seconds(30)).await;
    let panicked = world.executed(id, pull(), [Step::Panic]).await;
    assert_eq!(outcome(&panicked), (Failed, Some(ErrorCode::InternalError)));
    assert_eq!(outcome(&world.executed(id, pull(), []).await), OPEN);
    tokio::time::advance(seconds(30)).await;
    assert_eq!(outcome(&world.executed(id, pull(), [Step::status(204)]).await), (Success, None));
}

#[tokio::test(start_paused = true)]
async fn rl_5_the_retry_of_a_call_asks_as_well() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    for _ in 0..9 {
        world.executed(id, pull(), [Step::status(404)]).await;
    }
    // 9 of 18 are half of them; the tenth retry is not made.
    let mut executions = Vec::new();
    for _ in 0..3 {
        world.executor.will((0..4).map(|_| Step::status(503)));
        executions.push(world.calls.execute(&context(), id, pull()).await.expect("executed"));
    }
    let last = executions.pop().expect("the last");
    assert_eq!((outcome(&last), last.log.attempt_count), (OPEN, 1));
    let message = &failure_of(&last).expect("a failure").message;
    assert!(message.ends_with(", after: the upstream answered 503"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn rl_5_one_connector_says_nothing_about_another() {
    let world = World::new();
    let id = world.enabled(single()).await;
    let other = world.enabled(ConnectorDraft { name: Some("Another".to_owned()), ..single() }).await;
    ten_failures(&world, id).await;
    assert_eq!(outcome(&world.executed(other, pull(), [Step::status(204)]).await), (Success, None));
}

#[tokio::test(start_paused = true)]
async fn rl_5_without_a_breaker_every_attempt_goes() {
    let world = World::new().limited(CallLimits { circuit_breaker: false, ..CallLimits::default() });
    let id = world.enabled(single()).await;
    for _ in 0..5 {
        ten_failures(&world, id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rl_5_attempts_that_the_end_of_their_calls_cuts_short_say_nothing_about_the_upstream() {
    let world = World::new();
    let id = world.enabled(single()).await;
    let cut = || Step::Broken(Failure::new(ErrorCode::DeadlineExceeded, "the deadline"));
    for _ in 0..30 {
        world.executed(id, pull(), [cut().after(seconds(2))]).await;
    }
    let execution = world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(outcome(&execution), (Success, None));
    // With most of the time of an attempt, it was the upstream's to answer.
    for _ in 0..10 {
        world.executed(id, pull(), [cut().after(seconds(14))]).await;
    }
    assert_eq!(outcome(&world.executed(id, pull(), []).await), OPEN);
}
