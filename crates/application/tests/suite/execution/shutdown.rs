//! Ending calls when the service ends (DU-6).

use std::time::Duration;

use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus;
use tokio::time::Instant;

use crate::fakes::Step;
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

#[tokio::test(start_paused = true)]
async fn du_6_a_shutdown_ends_the_back_off_at_once() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will([Step::status(503), Step::status(204)]);
    let begun = Instant::now();
    let context = context();
    let stop = async {
        tokio::time::sleep(seconds(1)).await;
        world.shutdown.cancel();
    };
    let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), stop);
    let execution = execution.expect("executed");
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::Cancelled)));
    assert!(failure_of(&execution).is_some_and(|failure| failure.retryable));
    assert_eq!(begun.elapsed(), seconds(1));
    let page = world.storage.only_call();
    assert_eq!((&page.log, page.log.attempt_count, page.attempts.len()), (&execution.log, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn du_6_an_attempt_under_way_is_finished_and_none_is_begun_after_it() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let context = context();
    let stop = async {
        tokio::time::sleep(seconds(1)).await;
        world.shutdown.cancel();
        world.calls.drain().await;
    };
    world.executor.will([Step::status(204).after(seconds(4))]);
    let begun = Instant::now();
    let (execution, ()) = tokio::join!(world.calls.execute(&context, id, pull()), stop);
    assert_eq!(outcome(&execution.expect("executed")), (IntegrationStatus::Success, None));
    assert_eq!(begun.elapsed(), seconds(4), "the drain waits for it, and no longer");
    let late = world.calls.execute(&context, id, pull()).await.expect("executed");
    assert_eq!(outcome(&late), (IntegrationStatus::Failed, Some(ErrorCode::Cancelled)));
    assert_eq!(late.log.attempt_count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_calls_is_drained_at_once() {
    let world = World::new();
    let begun = Instant::now();
    world.calls.drain().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
