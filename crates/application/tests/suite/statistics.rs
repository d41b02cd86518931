//! How connectors fare.

use application::error::Error;
use application::statistics::StatisticsService;
use domain::circuit_breaker::CircuitState;
use domain::connector::ConnectorDraft;
use domain::statistics::Window;

use crate::fakes::{Operation, Step};
use crate::world::{World, context, context_only, open_draft, pull};

fn statistics(world: &World) -> StatisticsService {
    StatisticsService::new(world.storage.clone(), world.clock.clone(), world.calls.clone())
}

#[tokio::test(start_paused = true)]
async fn rl_5_the_breaker_and_the_quota_of_this_process_are_seen() {
    let world = World::new();
    let draft = ConnectorDraft { max_retry_attempts: Some(0.into()), ..open_draft() };
    let failing = world.enabled(draft).await;
    let well = world.enabled(ConnectorDraft { name: Some("Well".to_owned()), ..open_draft() }).await;
    for _ in 0..10 {
        world.executed(failing, pull(), [Step::status(503)]).await;
    }
    world.executed(well, pull(), [Step::status(503), Step::status(204)]).await;
    // A call that began at this moment is not before it.
    world.clock.advance(1);
    let seen = statistics(&world).look(&context(), Window::default()).await.expect("statistics");
    let [bad, good] = seen.connectors.as_slice() else { panic!("{seen:?}") };
    assert_eq!((bad.calls.id, bad.bounds.circuit), (failing, Some(CircuitState::Open)));
    assert_eq!((bad.calls.in_all().calls(), bad.bounds.retry_quota_left), (10, 500));
    assert_eq!((good.calls.id, good.bounds.circuit), (well, Some(CircuitState::Closed)));
    assert_eq!((good.calls.in_all().attempts(), good.bounds.retry_quota_left), (2, 500));
}

#[tokio::test]
async fn co_5_a_connector_outside_the_scope_is_not_there() {
    let world = World::new();
    let visible = world.enabled(open_draft()).await;
    world.enabled(ConnectorDraft { name: Some("hidden".to_owned()), ..open_draft() }).await;
    let seen = statistics(&world).look(&context_only([visible]), Window::default()).await.expect("statistics");
    let ids: Vec<_> = seen.connectors.iter().map(|connector| connector.calls.id).collect();
    assert_eq!(ids, [visible]);
}

#[tokio::test]
async fn calls_that_cannot_be_counted_are_no_empty_statistics() {
    let world = World::new();
    world.storage.take_away(Operation::CountCalls);
    let seen = statistics(&world).look(&context(), Window::default()).await;
    assert!(matches!(seen, Err(Error::StoreUnavailable(_))), "{seen:?}");
}
