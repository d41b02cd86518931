//! Waiting for one's turn (RL-4).

use std::time::Duration;

use application::execution::{CallLimits, Execution};
use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::id::ConnectorId;
use domain::integration_log::IntegrationStatus::{Failed, Skipped, Success};
use futures_util::future::join_all;

use crate::fakes::Step;
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

fn named(name: &str) -> ConnectorDraft {
    ConnectorDraft { name: Some(name.to_owned()), ..open_draft() }
}

async fn together(world: &World, id: ConnectorId, calls: usize) -> Vec<Execution> {
    let context = context();
    let executions = join_all((0..calls).map(|_| world.calls.execute(&context, id, pull()))).await;
    executions.into_iter().map(|execution| execution.expect("executed")).collect()
}

/// What the upstream does with so many calls: it takes a while.
fn slow(calls: usize, delay: Duration) -> impl Iterator<Item = Step> {
    (0..calls).map(move |_| Step::status(204).after(delay))
}

/// How many calls took so many seconds.
fn took(executions: &[Execution], duration: Duration) -> usize {
    let of = |execution: &&Execution| execution.log.completion.as_ref().map(|completion| completion.duration);
    executions.iter().filter(|execution| of(execution) == Some(duration)).count()
}

#[tokio::test(start_paused = true)]
async fn rl_4_twenty_five_calls_go_at_once_through_a_connector_and_the_others_in_their_turn() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will(slow(60, seconds(1)));
    let executions = together(&world, id, 60).await;
    assert!(executions.iter().all(|execution| outcome(execution) == (Success, None)));
    let waves = [1, 2, 3].map(|wave| took(&executions, seconds(wave)));
    assert_eq!(waves, [25, 25, 10]);
}

#[tokio::test(start_paused = true)]
async fn rl_4_the_limit_over_all_connectors_holds_as_well() {
    let limits = CallLimits { max_concurrent_calls: 3, max_concurrent_calls_per_connector: 2, ..CallLimits::default() };
    let world = World::new().limited(limits);
    let (one, other) = (world.enabled(named("One")).await, world.enabled(named("Other")).await);
    world.executor.will(slow(4, seconds(1)));
    let (ones, others) = tokio::join!(together(&world, one, 2), together(&world, other, 2));
    let executions: Vec<_> = ones.into_iter().chain(others).collect();
    assert_eq!((took(&executions, seconds(1)), took(&executions, seconds(2))), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn rl_4_a_call_whose_turn_does_not_come_ends_at_its_deadline_without_an_attempt() {
    let world = World::new();
    let id = world.enabled(ConnectorDraft { deadline_seconds: Some(10.into()), ..open_draft() }).await;
    world.executor.will(slow(25, seconds(30)));
    let executions = together(&world, id, 26).await;
    let waited: Vec<_> = executions.iter().filter(|execution| outcome(execution) != (Success, None)).collect();
    let [waited] = waited[..] else { panic!("one call waits, not {}", waited.len()) };
    assert_eq!(outcome(waited), (Failed, Some(ErrorCode::DeadlineExceeded)));
    assert_eq!((waited.log.attempt_count, took(&executions, seconds(10)), waited.recorded), (0, 1, true));
    let message = &failure_of(waited).expect("a failure").message;
    assert!(message.contains("waited for its turn") && message.contains("25 calls at once"), "{message}");
    let pages = world.storage.calls();
    let page = pages.iter().find(|page| page.log.intent.id == waited.log.intent.id).expect("its row");
    assert_eq!((&page.log, page.attempts.len()), (&waited.log, 0));
}

#[tokio::test(start_paused = true)]
async fn rl_4_a_connector_whose_upstream_hangs_does_not_slow_another() {
    let world = World::new();
    let (blocked, other) = (world.enabled(named("Blocked")).await, world.enabled(named("Other")).await);
    world.executor.will(slow(25, seconds(30)));
    let waiting = async {
        tokio::time::sleep(seconds(1)).await;
        world.executor.will(slow(25, seconds(1)));
        let executions = together(&world, other, 25).await;
        assert_eq!(took(&executions, seconds(1)), 25);
        world.executor.will(slow(575, Duration::ZERO));
    };
    let (executions, ()) = tokio::join!(together(&world, blocked, 600), waiting);
    assert!(executions.iter().all(|execution| outcome(execution) == (Success, None)));
}

#[tokio::test(start_paused = true)]
async fn rl_4_however_many_calls_wait_the_store_is_hardly_asked() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will(slow(25, seconds(30)));
    let asked = async {
        tokio::time::sleep(seconds(29)).await;
        let (reads, writes) = (world.journal.count("FindConnector"), world.journal.count("BeginCall"));
        assert!(reads <= 10, "{reads} reads for ten thousand calls");
        assert_eq!(writes, 25);
        world.executor.will(slow(9_975, Duration::ZERO));
    };
    let (executions, ()) = tokio::join!(together(&world, id, 10_000), asked);
    assert!(executions.iter().all(|execution| outcome(execution) == (Success, None)));
}

#[tokio::test(start_paused = true)]
async fn rl_4_a_shutdown_ends_the_wait_at_once() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will(slow(25, seconds(5)));
    let stop = async {
        tokio::time::sleep(seconds(1)).await;
        world.shutdown.cancel();
    };
    let (executions, ()) = tokio::join!(together(&world, id, 30), stop);
    let cancelled: Vec<_> = executions.iter().filter(|execution| outcome(execution) != (Success, None)).collect();
    assert_eq!((cancelled.len(), took(&executions, seconds(1))), (5, 5));
    for execution in cancelled {
        assert_eq!(outcome(execution), (Failed, Some(ErrorCode::Cancelled)));
        assert_eq!((execution.log.attempt_count, execution.recorded), (0, true));
    }
}

#[tokio::test(start_paused = true)]
async fn rl_4_a_connector_disabled_meanwhile_lets_no_waiting_call_out() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let context = context();
    world.executor.will(slow(25, seconds(5)));
    let disable = async {
        tokio::time::sleep(seconds(1)).await;
        world.connectors.disable(&context, id, None).await.expect("disabled");
    };
    let (executions, ()) = tokio::join!(together(&world, id, 30), disable);
    let skipped: Vec<_> = executions.iter().filter(|execution| outcome(execution) != (Success, None)).collect();
    assert_eq!(skipped.len(), 5);
    assert!(skipped.iter().all(|call| outcome(call) == (Skipped, Some(ErrorCode::ConnectorDisabled))));
    assert_eq!(took(&together(&world, id, 5).await, Duration::ZERO), 5, "nobody waits to be skipped");
}

#[tokio::test(start_paused = true)]
async fn rl_4_a_call_begins_in_the_log_when_it_came() {
    let limits = CallLimits { max_concurrent_calls: 1, ..CallLimits::default() };
    let world = World::new().limited(limits);
    let id = world.enabled(open_draft()).await;
    world.executor.will(slow(2, seconds(5)));
    let came = async {
        tokio::time::sleep(seconds(1)).await;
        world.clock.advance(5);
    };
    let (executions, ()) = tokio::join!(together(&world, id, 2), came);
    let [first, second] = &executions[..] else { panic!("two calls") };
    assert_eq!(first.log.intent.started_at, second.log.intent.started_at);
}
