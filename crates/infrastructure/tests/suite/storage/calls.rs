use std::time::Duration;

use chrono::TimeDelta;
use domain::audit::Act;
use domain::connector::{Change, Connector};
use domain::error::StorageError;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{
    Attempt, CallIntent, Completion, HttpMethod, IntegrationLog, IntegrationLogPage, IntegrationStatus, OperationType,
    Payloads,
};
use domain::lease::Premise;
use domain::repository::{Begun, CallJournal, IntegrationLogRepository, RateLimits, Recorded, Storage};
use domain::retry::WaitReason;
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use serde_json::Value;
use test_support::{Engine, TestDatabase};

use super::samples::{
    act, attempt, begin, connector_id, delete, intent, log_id, moment, outcome, premise, register, register_enabled,
    settings, success,
};

fn failed() -> Completion {
    let failure = Failure {
        code: ErrorCode::RetryAfterTooLong,
        message: "the upstream asked for more time – mehr Zeit".to_owned(),
        details: Some("503\n{\"error\": \"später\"}".to_owned()),
        retryable: true,
        retry_after: Some(Duration::from_millis(3_600_250)),
    };
    Completion {
        status: IntegrationStatus::Failed,
        http_status_code: Some(503),
        attempt_count: 2,
        failure: Some(failure),
        duration: Duration::from_millis(60_001),
        completed_at: moment(60_001_000),
    }
}

fn failed_attempt(number: u32) -> Attempt {
    Attempt {
        waited: Duration::from_millis(1_500),
        wait_reason: Some(WaitReason::Throttled),
        http_status_code: None,
        error: Some((ErrorCode::ConnectionReset, "the connection broke".to_owned())),
        ..attempt(number)
    }
}

async fn page(storage: &SqlStorage, number: u128) -> IntegrationLogPage {
    storage.find_log(log_id(number)).await.expect("read").expect("found")
}

#[rstest]
#[tokio::test]
async fn a_call_is_begun_only_through_an_enabled_connector(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let enabled = register_enabled(&storage, 1, "Enabled").await;
    register(&storage, 2, settings("Disabled")).await.expect("registered");
    let gone = register_enabled(&storage, 3, "Deleted").await;
    delete(&storage, gone).await;

    let switched_at = enabled.switch.changed_at();
    for (connector, connector_version, begun) in [
        (1, 2, Begun::InProgress { paused: false }),
        (2, 1, Begun::Refused),
        (3, 4, Begun::Refused),
        (4, 1, Begun::Refused),
    ] {
        let premise = Premise { connector_version: Some(connector_version), ..premise() };
        let answer = storage.begin_call(&intent(connector, connector), &premise).await;
        assert_eq!(answer.expect("asked"), begun, "{connector}");
        assert_eq!(
            storage.is_enabled_since(connector_id(connector), switched_at).await.expect("asked"),
            begun == Begun::InProgress { paused: false },
            "{connector}"
        );
        assert_eq!(
            storage.find_log(log_id(connector)).await.expect("read").is_some(),
            begun == Begun::InProgress { paused: false }
        );
    }
    assert_eq!(
        page(&storage, 1).await,
        IntegrationLogPage {
            log: IntegrationLog { intent: intent(1, 1), completion: None, attempt_count: 0 },
            attempts: Vec::new(),
            payloads: Payloads::default(),
        }
    );
}

#[rstest]
#[tokio::test]
async fn a_disable_that_is_committed_is_seen_by_the_next_question(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let (storage, replica) = (database.storage().await, database.storage().await);
    let connector = register_enabled(&storage, 1, "One").await;
    let switched_at = connector.switch.changed_at();
    assert!(replica.is_enabled_since(connector_id(1), switched_at).await.expect("asked"));
    switch(&storage, connector.disable(None, &act("ana"))).await;
    assert!(!replica.is_enabled_since(connector_id(1), switched_at).await.expect("asked"));
    let premise = Premise { connector_version: Some(3), ..premise() };
    assert_eq!(replica.begin_call(&intent(1, 1), &premise).await.expect("asked"), Begun::Refused);
}

#[rstest]
#[tokio::test]
async fn rt_10_a_call_that_was_judged_by_an_older_connector_does_not_begin(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    for connector_version in [1, 3] {
        let premise = Premise { connector_version: Some(connector_version), ..premise() };
        let answer = storage.begin_call(&intent(1, 1), &premise).await;
        assert_eq!(answer.expect("asked"), Begun::Refused, "{connector_version}");
    }
    begin(&storage, &intent(1, 1)).await;
}

#[rstest]
#[tokio::test]
async fn calls_that_are_written_at_once_are_answered_each_for_itself(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    register(&storage, 2, settings("Disabled")).await.expect("registered");
    // Every fifth cannot be written on PostgreSQL, every third must not; they gather in groups while the first commits.
    let intents: Vec<CallIntent> = (1..=60)
        .map(|number| CallIntent {
            endpoint: if number % 5 == 0 { "/a\0b".to_owned() } else { "/employees".to_owned() },
            ..intent(number, if number % 3 == 0 { 2 } else { 1 })
        })
        .collect();
    let (as_known, begun) = (premise(), intents.iter());
    let answers = futures_util::future::join_all(begun.map(|intent| storage.begin_call(intent, &as_known))).await;
    for (number, answer) in (1..=60_u128).zip(answers) {
        match (number % 3 == 0, number % 5 == 0 && engine == Engine::Postgres, answer) {
            (_, true, Err(StorageError::Failed { .. }))
            | (true, false, Ok(Begun::Refused))
            | (false, false, Ok(Begun::InProgress { .. })) => {}
            (.., answer) => panic!("{number}: {answer:?}"),
        }
    }
    let outcomes: Vec<_> = (1..=60)
        .map(|number| outcome(log_id(number), "/employees", &success(), Some(&attempt(1)), &Payloads::default()))
        .collect();
    let ended = futures_util::future::join_all(outcomes.iter().map(|outcome| storage.complete_call(outcome))).await;
    let kept = ended.into_iter().filter(|answer| matches!(answer, Ok(Recorded::Kept))).count();
    assert_eq!(kept, if engine == Engine::Postgres { 32 } else { 40 });
    let counted = database.rows("SELECT count(*) FROM integration_log_attempts").await;
    assert_eq!(counted, [[kept.to_string()]]);
}

#[rstest]
#[tokio::test]
async fn a_connector_that_was_disabled_and_enabled_again_does_not_go_on_with_old_calls(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let connector = register_enabled(&storage, 1, "One").await;
    let before = connector.switch.changed_at();
    let disabled = switch(&storage, connector.disable(None, &act("ana"))).await;
    let later = Act { at: act("ana").at + TimeDelta::seconds(1), ..act("ana") };
    let again = switch(&storage, disabled.enable(None, &later)).await;
    assert!(!storage.is_enabled_since(connector_id(1), before).await.expect("asked"));
    assert!(storage.is_enabled_since(connector_id(1), again.switch.changed_at()).await.expect("asked"));
}

async fn switch(storage: &SqlStorage, change: Option<Change>) -> Connector {
    let change = change.expect("a change");
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    change.into_connector()
}

#[rstest]
#[tokio::test]
async fn an_outcome_brings_the_path_as_it_may_be_kept(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    storage
        .complete_call(&outcome(log_id(1), "/[REDACTED]", &success(), None, &Payloads::default()))
        .await
        .expect("completed");
    assert_eq!(page(&storage, 1).await.log.intent.endpoint, "/[REDACTED]");
}

#[rstest]
#[tokio::test]
async fn every_member_of_a_call_is_read_as_it_was_written(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let begun = CallIntent { operation_type: OperationType::Push, method: HttpMethod::Patch, ..intent(1, 1) };
    begin(&storage, &begun).await;
    storage.record_attempt(begun.id, &failed_attempt(1)).await.expect("recorded");
    let under_way = page(&storage, 1).await;
    assert_eq!((under_way.log.attempt_count, under_way.log.completion), (1, None));
    assert_eq!(under_way.attempts, [failed_attempt(1)]);

    // Digits beyond a double, an exponent, members against the alphabet, and what PostgreSQL's own JSON would refuse.
    let body = r#"{"z":0.10000000000000000055511151231257827,"a":1E400,"nul":"\u0000","z2":[1.0,-0]}"#;
    let payloads = Payloads { request: Some(Value::Null), response: serde_json::from_str(body).ok() };
    storage
        .complete_call(&outcome(begun.id, &begun.endpoint, &failed(), Some(&attempt(2)), &payloads))
        .await
        .expect("completed");
    let read = page(&storage, 1).await;
    assert_eq!(
        read,
        IntegrationLogPage {
            log: IntegrationLog::completed(begun, failed()),
            attempts: vec![failed_attempt(1), attempt(2)],
            payloads: payloads.clone(),
        }
    );
    assert_eq!(read.payloads.response.expect("a response").to_string(), payloads.response.expect("it").to_string());
}

#[rstest]
#[tokio::test]
async fn a_skipped_call_is_written_whole(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register(&storage, 1, settings("Disabled")).await.expect("registered");
    let skipped = Completion {
        status: IntegrationStatus::Skipped,
        http_status_code: None,
        attempt_count: 0,
        failure: Some(Failure::new(ErrorCode::ConnectorDisabled, "the connector is disabled")),
        duration: Duration::ZERO,
        completed_at: moment(1),
    };
    storage.skip_call(&intent(1, 1), &skipped).await.expect("written");
    assert_eq!(page(&storage, 1).await.log, IntegrationLog::completed(intent(1, 1), skipped));
}

#[rstest]
#[tokio::test]
async fn an_outcome_is_written_once(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    let payloads = Payloads { request: Some("first".into()), response: None };
    for _ in 0..2 {
        storage
            .complete_call(&outcome(log_id(1), &intent(1, 1).endpoint, &success(), Some(&attempt(1)), &payloads))
            .await
            .expect("completed");
    }
    let first = page(&storage, 1).await;
    assert_eq!(first.attempts, [attempt(1)]);

    let late = Payloads { request: Some("late".into()), response: Some("late".into()) };
    let refused = storage
        .complete_call(&outcome(log_id(1), &intent(1, 1).endpoint, &failed(), Some(&failed_attempt(2)), &late))
        .await
        .expect("answered");
    assert_eq!((refused, page(&storage, 1).await), (Recorded::Refused, first), "an outcome does not change");

    let of_no_call = outcome(log_id(9), "/employees", &success(), None, &Payloads::default());
    assert_eq!(storage.complete_call(&of_no_call).await.expect("answered"), Recorded::Refused);
}

#[rstest]
#[tokio::test]
async fn attempts_are_kept_once_and_in_order(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    for number in [2, 10, 1, 2] {
        storage.record_attempt(log_id(1), &failed_attempt(number)).await.expect("recorded");
    }
    let read = page(&storage, 1).await;
    assert_eq!(read.attempts, [failed_attempt(1), failed_attempt(2), failed_attempt(10)]);
    assert_eq!(read.log.attempt_count, 10);

    let of_no_call = storage.record_attempt(log_id(9), &failed_attempt(1)).await;
    assert_eq!(of_no_call.expect("answered"), Recorded::Refused);
}

#[rstest]
#[tokio::test]
async fn a_call_of_a_deleted_connector_can_still_end_and_be_read(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let connector = register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    delete(&storage, connector).await;
    storage
        .complete_call(&outcome(log_id(1), &intent(1, 1).endpoint, &success(), None, &Payloads::default()))
        .await
        .expect("completed");
    assert_eq!(page(&storage, 1).await.log.status(), IntegrationStatus::Success);
}

#[rstest]
#[tokio::test]
async fn a_call_that_cannot_be_read_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(
        "UPDATE integration_logs SET trace_id = '0'",
        "UPDATE integration_logs SET correlation_id = 'a b'",
        "UPDATE integration_log_attempts SET wait_reason = 'because'",
        "UPDATE integration_log_payloads SET request_summary = '{'"
    )]
    damage: &str,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    begin(&storage, &intent(1, 1)).await;
    let payloads = Payloads { request: Some("sent".into()), response: None };
    storage
        .complete_call(&outcome(log_id(1), &intent(1, 1).endpoint, &success(), Some(&attempt(1)), &payloads))
        .await
        .expect("completed");
    database.execute(damage).await;
    match storage.find_log(log_id(1)).await {
        Err(StorageError::Failed { context, .. }) => assert!(context.ends_with(&log_id(1).to_string()), "{context}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_that_postgresql_cannot_keep_is_an_error_and_not_a_panic() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let refused = storage.begin_call(&CallIntent { endpoint: "/a\0b".to_owned(), ..intent(1, 1) }, &premise()).await;
    assert!(matches!(refused, Err(StorageError::Failed { .. })), "{refused:?}");
    begin(&storage, &intent(1, 1)).await;
}

#[rstest]
#[tokio::test]
async fn rt_7_the_intent_tells_that_the_connector_is_paused(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let (storage, replica) = (database.storage().await, database.storage().await);
    register_enabled(&storage, 1, "Paused").await;
    register_enabled(&storage, 2, "Other").await;
    replica.pause(connector_id(1), Duration::from_mins(1)).await.expect("paused");
    for (connector, paused) in [(1, true), (2, false)] {
        let answer = storage.begin_call(&intent(connector, connector), &premise()).await;
        assert_eq!(answer.expect("begun"), Begun::InProgress { paused }, "{connector}");
    }
}
