//! A call belongs to the lease that it was begun under (DU-2).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::connector::Precondition;
use application::ports::Meter;
use application::recovery::Recovery;
use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::id::ConnectorId;
use domain::integration_log::{Completion, IntegrationStatus};

use crate::fakes::{Operation, Step};
use crate::world::{World, context, failure_of, open_draft, outcome, pull, seconds};

/// The connectors whose calls were recovered.
#[derive(Default)]
struct Recovered(Mutex<Vec<ConnectorId>>);

impl Meter for Recovered {
    fn call_ended(&self, _connector: ConnectorId, _completion: &Completion) {}

    fn call_recovered(&self, connector: ConnectorId) {
        self.0.lock().expect("not poisoned").push(connector);
    }

    fn request_answered(&self, _method: &'static str, _route: &str, _status: u16, _duration: Duration) {}
}

#[tokio::test(start_paused = true)]
async fn du_2_an_outcome_that_comes_after_the_lease_is_refused_and_the_caller_told() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will([Step::status(204).after(seconds(2))]);
    let (calls, context) = (world.calls.clone(), context());
    let calling = tokio::spawn(async move { calls.execute(&context, id, pull()).await });
    tokio::time::sleep(seconds(1)).await;
    world.storage.let_leases_lapse();
    let execution = calling.await.expect("no panic").expect("executed");
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None), "the caller learns what the upstream said");
    assert!(!execution.recorded);
    assert_eq!(world.storage.only_call().log.status(), IntegrationStatus::InProgress);

    let seen = Arc::<Recovered>::default();
    let recovery = Recovery::new(world.storage.clone(), world.clock.clone(), seen.clone());
    assert_eq!(recovery.recover().await.expect("recovered"), 1);
    assert_eq!(*seen.0.lock().expect("not poisoned"), [id]);
    let recovered = world.storage.only_call().log;
    assert_eq!(recovered.status(), IntegrationStatus::Failed);
    let failure = recovered.completion.and_then(|completion| completion.failure).expect("a failure");
    assert_eq!((failure.code, failure.retryable), (ErrorCode::OutcomeUnknown, false));
}

#[tokio::test(start_paused = true)]
async fn du_2_no_further_attempt_is_made_once_the_lease_is_lost() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executor.will([Step::status(503).after(seconds(2)), Step::status(204)]);
    let (calls, context) = (world.calls.clone(), context());
    let calling = tokio::spawn(async move { calls.execute(&context, id, pull()).await });
    tokio::time::sleep(seconds(1)).await;
    world.storage.let_leases_lapse();
    let execution = calling.await.expect("no panic").expect("executed");
    assert_eq!(execution.log.attempt_count, 1);
    assert!(failure_of(&execution).expect("a failure").message.contains("lost its lease"));
}

#[tokio::test(start_paused = true)]
async fn du_2_what_lost_its_lease_while_it_waited_for_a_permit_is_not_sent() {
    let world = World::new();
    let limited = |limit: u32| ConnectorDraft { rate_limit_per_minute: Some(limit.into()), ..open_draft() };
    let id = world.enabled(limited(1)).await;
    world.executed(id, pull(), [Step::status(204)]).await;
    world.executor.will([Step::status(204)]);
    let (calls, caller) = (world.calls.clone(), context());
    let calling = tokio::spawn(async move { calls.execute(&caller, id, pull()).await });
    tokio::time::sleep(seconds(1)).await;
    world.leases.forget(world.leases.lease().await.expect("a lease"));
    world.connectors.reconfigure(&context(), id, &Precondition::None, limited(2)).await.expect("reconfigured");
    let execution = calling.await.expect("no panic").expect("executed");
    assert_eq!(execution.log.attempt_count, 0);
    assert!(failure_of(&execution).expect("a failure").message.contains("lost its lease"));
}

#[tokio::test(start_paused = true)]
async fn du_2_after_a_lapse_the_next_call_opens_another_lease() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let first = world.leases.lease().await.expect("a lease");
    world.storage.let_leases_lapse();
    let execution = world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    assert!(!world.leases.holds(first) && execution.recorded);
}

#[tokio::test(start_paused = true)]
async fn du_2_a_lease_is_extended_while_the_process_lives_and_lapses_when_the_store_is_away() {
    let world = World::new();
    let _id = world.enabled(open_draft()).await;
    let lease = world.leases.lease().await.expect("a lease");
    tokio::time::sleep(seconds(300)).await;
    assert!(world.leases.holds(lease));
    world.storage.take_away(Operation::ExtendLease);
    tokio::time::sleep(seconds(24)).await;
    assert!(world.leases.holds(lease), "an outage of 20 s is survived");
    tokio::time::sleep(seconds(7)).await;
    assert!(!world.leases.holds(lease));
}

#[tokio::test(start_paused = true)]
async fn a_call_need_not_read_a_connector_that_it_knows_and_is_judged_anew_when_that_has_changed() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executed(id, pull(), [Step::status(204)]).await;
    world.journal.clear();
    world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(world.journal.lines(), ["BeginCall", "attempt 1", "CompleteCall"]);

    world.storage.disable_right_before(Operation::BeginCall, id);
    world.journal.clear();
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Skipped, Some(ErrorCode::ConnectorDisabled)));
    assert_eq!(world.journal.lines(), ["BeginCall", "FindConnector", "SkipCall"]);
}
