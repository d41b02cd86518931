//! Leases, and the calls of those that have lapsed (DU-2).

use chrono::TimeDelta;
use domain::access::Scope;
use domain::failure::ErrorCode;
use domain::id::{ConnectorId, LeaseId};
use domain::integration_log::{
    CallIntent, IntegrationLogPage, IntegrationStatus, LogFilter, LogOrder, OperationType, Payloads,
};
use domain::lease::Premise;
use domain::page::PageRequest;
use domain::repository::{Begun, CallJournal, IntegrationLogRepository, Leases, Recorded};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};
use uuid::Uuid;

use super::samples::{
    attempt, begin, connector_id, intent, lease, log_id, moment, outcome, premise, register, register_enabled,
    settings, success,
};

/// As if the process had been stopped for longer than a lease.
const LAPSE: &str = "UPDATE leases SET valid_until_ms = 0";

async fn page(storage: &SqlStorage, number: u128) -> IntegrationLogPage {
    storage.find_log(log_id(number)).await.expect("read").expect("found")
}

#[rstest]
#[tokio::test]
async fn du_2_a_lease_that_has_lapsed_is_never_extended_again(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    storage.open_lease(lease()).await.expect("opened");
    assert!(storage.extend_lease(lease()).await.expect("asked"));
    database.execute(LAPSE).await;
    assert!(!storage.extend_lease(lease()).await.expect("asked"));
    assert!(!storage.extend_lease(LeaseId::new(Uuid::nil())).await.expect("asked"), "one that never was");
}

#[rstest]
#[tokio::test]
async fn du_2_after_its_lease_a_process_writes_nothing_more_about_its_calls(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    database.execute(LAPSE).await;
    let before = page(&storage, 1).await;

    let late = outcome(log_id(1), "/employees", &success(), Some(&attempt(1)), &Payloads::default());
    assert_eq!(storage.complete_call(&late).await.expect("answered"), Recorded::Refused);
    assert_eq!(storage.record_attempt(log_id(1), &attempt(1)).await.expect("answered"), Recorded::Refused);
    assert_eq!(page(&storage, 1).await, before, "not even before somebody recovers it");
    assert_eq!(storage.begin_call(&intent(2, 1), &premise()).await.expect("answered"), Begun::Refused);

    let next = LeaseId::new(Uuid::from_u128(7));
    storage.open_lease(next).await.expect("opened");
    let again = storage.begin_call(&intent(2, 1), &Premise { lease: next, ..premise() }).await;
    assert_eq!(again.expect("answered"), Begun::InProgress { paused: false });
}

#[rstest]
#[tokio::test]
async fn du_2_calls_of_lapsed_leases_end_as_unknown_and_count_the_attempt_that_may_have_been_made(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let (storage, replica) = (database.storage().await, database.storage().await);
    register_enabled(&storage, 1, "One").await;
    for number in 1..=3 {
        begin(&storage, &intent(number, 1)).await;
    }
    let done = outcome(log_id(3), "/employees", &success(), Some(&attempt(1)), &Payloads::default());
    storage.complete_call(&done).await.expect("completed");
    storage.record_attempt(log_id(2), &attempt(1)).await.expect("recorded");
    assert_eq!(replica.recover_orphans(moment(0), 10).await.expect("asked"), [], "their lease holds");

    storage.release_lease(lease()).await.expect("released");
    let recovered = replica.recover_orphans(moment(5_000_000), 10).await.expect("recovered");
    assert_eq!(recovered.iter().map(|orphan| orphan.id).collect::<Vec<_>>(), [log_id(1), log_id(2)]);
    assert_eq!(recovered[0].correlation_id, "corr-12345");
    for (number, attempts) in [(1, 1), (2, 2)] {
        let page = page(&storage, number).await;
        let completion = page.log.completion.as_ref().expect("completed");
        assert_eq!(completion.status, IntegrationStatus::Failed);
        assert_eq!(completion.failure.as_ref().map(|failure| failure.code), Some(ErrorCode::OutcomeUnknown));
        assert_eq!((completion.completed_at, completion.attempt_count), (moment(5_000_000), attempts));
        assert_eq!(page.attempts.len(), attempts as usize);
        let last = page.attempts.last().expect("an attempt");
        assert_eq!(last.error.as_ref().map(|(code, _)| *code), Some(ErrorCode::OutcomeUnknown));
    }
    assert_eq!(page(&storage, 3).await.log.status(), IntegrationStatus::Success);
    assert_eq!(replica.recover_orphans(moment(6_000_000), 10).await.expect("asked"), [], "once");
}

#[rstest]
#[tokio::test]
async fn du_2_a_call_that_outlives_every_deadline_ends_as_unknown_although_its_process_lives(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    let began = page(&storage, 1).await.log.intent.started_at;
    let ten_minutes = TimeDelta::minutes(10);
    assert_eq!(storage.recover_orphans(began + ten_minutes, 10).await.expect("asked"), [], "it may still end");

    let later = began + ten_minutes + TimeDelta::microseconds(1);
    let recovered = storage.recover_orphans(later, 10).await.expect("recovered");
    assert_eq!(recovered.iter().map(|orphan| orphan.id).collect::<Vec<_>>(), [log_id(1)]);
    let failure = page(&storage, 1).await.log.completion.and_then(|completion| completion.failure);
    assert_eq!(failure.map(|failure| failure.code), Some(ErrorCode::OutcomeUnknown));
    let late = outcome(log_id(1), "/employees", &success(), Some(&attempt(1)), &Payloads::default());
    assert_eq!(storage.complete_call(&late).await.expect("answered"), Recorded::Refused);
}

#[rstest]
#[tokio::test]
async fn du_2_replicas_that_recover_at_once_end_every_call_once(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    for number in 1..=40 {
        begin(&storage, &intent(number, 1)).await;
    }
    storage.release_lease(lease()).await.expect("released");
    let mut replicas = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let replica = database.storage().await;
        replicas.spawn(async move { replica.recover_orphans(moment(5_000_000), 100).await.expect("recovered").len() });
    }
    assert_eq!(replicas.join_all().await.into_iter().sum::<usize>(), 40);
}

#[rstest]
#[tokio::test]
async fn a_call_that_its_process_gives_up_is_recovered_while_the_others_go_on(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    begin(&storage, &intent(2, 1)).await;
    storage.disown_call(log_id(1)).await.expect("disowned");
    let recovered = storage.recover_orphans(moment(5_000_000), 10).await.expect("recovered");
    assert_eq!(recovered.iter().map(|orphan| orphan.id).collect::<Vec<_>>(), [log_id(1)]);
}

#[rstest]
#[tokio::test]
async fn calls_from_before_there_were_leases_are_recovered(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    database.execute("UPDATE integration_logs SET lease_id = NULL").await;
    assert_eq!(storage.recover_orphans(moment(5_000_000), 10).await.expect("recovered").len(), 1);
}

#[rstest]
#[tokio::test]
async fn du_1_a_test_is_begun_whatever_state_its_connector_is_in_and_only_under_a_lease(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register(&storage, 1, settings("One")).await.expect("registered");
    let test = |number: u128, connector: Option<ConnectorId>| CallIntent {
        connector_id: connector,
        operation_type: OperationType::Test,
        ..intent(number, 1)
    };
    let (registered, draft) = (test(1, Some(connector_id(1))), test(2, None));
    let unjudged = Premise { connector_version: None, ..premise() };
    for intent in [&registered, &draft] {
        let begun = storage.begin_call(intent, &unjudged).await.expect("answered");
        assert_eq!(begun, Begun::InProgress { paused: false });
    }
    let as_a_call = Premise { connector_version: Some(1), ..premise() };
    assert_eq!(storage.begin_call(&test(3, None), &as_a_call).await.expect("answered"), Begun::Refused);
    assert_eq!(
        storage.begin_call(&test(3, Some(connector_id(1))), &as_a_call).await.expect("answered"),
        Begun::Refused,
        "it is disabled"
    );
    assert_eq!(page(&storage, 2).await.log.intent, draft);
    let done = outcome(log_id(1), "/", &success(), Some(&attempt(1)), &Payloads::default());
    assert_eq!(storage.complete_call(&done).await.expect("answered"), Recorded::Kept);

    database.execute(LAPSE).await;
    assert_eq!(storage.begin_call(&test(3, None), &unjudged).await.expect("answered"), Begun::Refused);
    let recovered = storage.recover_orphans(moment(5_000_000), 10).await.expect("recovered");
    assert_eq!(
        recovered.iter().map(|orphan| (orphan.id, orphan.connector_id)).collect::<Vec<_>>(),
        [(log_id(2), None)]
    );

    let listed = async |scope: &Scope| {
        let all = storage.list_logs(&LogFilter::default(), scope, LogOrder::OldestFirst, &PageRequest::default()).await;
        all.expect("listed").items.iter().map(|log| log.intent.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&Scope::All).await, [log_id(1), log_id(2)]);
    assert_eq!(listed(&Scope::Only([connector_id(1)].into())).await, [log_id(1)]);
}
