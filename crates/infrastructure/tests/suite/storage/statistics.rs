use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::access::Scope;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{CallIntent, Completion, IntegrationStatus};
use domain::repository::{CallJournal, CallStatistics};
use domain::statistics::{CLASS_BORDERS, ConnectorCalls, DurationClass, Timeline, Window};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{begin, complete, connector_id, delete, intent, log_id, moment, register_enabled, success};

/// The hour up to two minutes after [`moment`]`(0)`, in buckets of five minutes.
fn hour() -> Timeline {
    Window::parse("1h").expect("a window").until(moment(120_000_000))
}

fn minutes_ago(minutes: i64) -> DateTime<Utc> {
    moment(0) - TimeDelta::minutes(minutes)
}

async fn counted(storage: &SqlStorage, scope: &Scope) -> Vec<ConnectorCalls> {
    storage.count_calls(&hour(), scope).await.expect("counted")
}

fn only(numbers: &[u128]) -> Scope {
    Scope::Only(numbers.iter().copied().map(connector_id).collect::<BTreeSet<_>>())
}

/// A call that began then, and its outcome.
async fn call(storage: &SqlStorage, number: u128, connector: u128, at: DateTime<Utc>, completion: Completion) {
    begin(storage, &CallIntent { started_at: at, ..intent(number, connector) }).await;
    complete(storage, number, &completion).await;
}

fn failed(message: &str) -> Completion {
    Completion {
        status: IntegrationStatus::Failed,
        http_status_code: Some(503),
        failure: Some(Failure::new(ErrorCode::HttpStatus, message)),
        ..success()
    }
}

#[rstest]
#[tokio::test]
async fn calls_are_counted_in_the_bucket_in_which_they_began(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let timeline = hour();
    let mut expected = Vec::new();
    for (number, (begins, ends)) in timeline.buckets().enumerate() {
        for at in [begins, begins + TimeDelta::microseconds(1), ends - TimeDelta::microseconds(1)] {
            call(&storage, expected.len() as u128, 1, at, success()).await;
            expected.push(number);
        }
    }
    let before = timeline.from() - TimeDelta::microseconds(1);
    call(&storage, 100, 1, before, success()).await;
    call(&storage, 101, 1, timeline.to(), success()).await;
    let connectors = counted(&storage, &Scope::All).await;
    for (number, _) in timeline.buckets().enumerate() {
        assert_eq!(connectors[0].in_bucket(number).calls(), 3, "{number}: {connectors:?}");
    }
    assert_eq!(connectors[0].in_all().calls(), expected.len() as u64);
}

#[rstest]
#[tokio::test]
async fn every_duration_is_counted_in_its_class(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let mut durations: Vec<u64> = CLASS_BORDERS[1..].iter().flat_map(|border| [border - 1, *border]).collect();
    durations.extend([0, 1, 999, 300_000]);
    for (number, duration) in durations.iter().enumerate() {
        let completion = Completion { duration: Duration::from_millis(*duration), ..success() };
        call(&storage, number as u128, 1, minutes_ago(10), completion).await;
    }
    let mut expected: Vec<_> = durations.into_iter().map(DurationClass::of).collect();
    expected.sort_unstable();
    let connectors = counted(&storage, &Scope::All).await;
    let mut found: Vec<_> = connectors[0]
        .groups
        .iter()
        .flat_map(|group| {
            std::iter::repeat_n(group.duration.expect("it has ended"), group.calls.try_into().expect("few"))
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[rstest]
#[tokio::test]
async fn every_connector_that_there_is_is_counted_with_its_last_error(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for (number, name) in [(1, "b"), (2, "A"), (3, "c")] {
        register_enabled(&storage, number, name).await;
    }
    let gone = register_enabled(&storage, 4, "gone").await;
    call(&storage, 40, 4, minutes_ago(5), success()).await;
    delete(&storage, gone).await;
    call(&storage, 1, 1, minutes_ago(90), failed("before the window")).await;
    call(&storage, 2, 1, minutes_ago(30), failed("an older one")).await;
    // Two at the same moment: the one with the later name is the last one, and both are counted.
    call(&storage, 4, 1, minutes_ago(20), failed("the last one")).await;
    call(&storage, 3, 1, minutes_ago(20), failed("at the same time")).await;
    call(&storage, 5, 1, minutes_ago(10), Completion { attempt_count: 3, ..success() }).await;
    begin(&storage, &CallIntent { started_at: minutes_ago(1), ..intent(6, 1) }).await;
    let skipped = Completion {
        status: IntegrationStatus::Skipped,
        http_status_code: None,
        attempt_count: 0,
        failure: Some(Failure::new(ErrorCode::ConnectorDisabled, "the connector is disabled")),
        duration: Duration::ZERO,
        ..success()
    };
    let late = CallIntent { started_at: minutes_ago(2), ..intent(7, 2) };
    storage.skip_call(&late, &skipped).await.expect("skipped");

    let connectors = counted(&storage, &Scope::All).await;
    let names: Vec<_> = connectors.iter().map(|connector| connector.name.as_str()).collect();
    assert_eq!(names, ["A", "b", "c"]);
    let counts = connectors.iter().map(|connector| {
        let tally = connector.in_all();
        IntegrationStatus::ALL.map(|status| tally.of_status(status))
    });
    assert_eq!(counts.collect::<Vec<_>>(), [[0, 0, 0, 1], [1, 1, 3, 0], [0, 0, 0, 0]]);
    let tally = connectors[1].in_all();
    assert_eq!((tally.success_rate(), tally.attempts_per_call()), (Some(0.25), Some(1.5)));
    let last = connectors[1].last_error.as_ref().expect("an error");
    assert_eq!((last.log_id, last.message.as_str(), last.code), (log_id(4), "the last one", ErrorCode::HttpStatus));
    assert_eq!((last.started_at, last.http_status_code), (minutes_ago(20), Some(503)));
    assert!(connectors[0].last_error.is_none() && connectors[2].last_error.is_none());

    assert_eq!(counted(&storage, &only(&[1, 9])).await, connectors[1..2]);
    assert_eq!(counted(&storage, &only(&[])).await, []);
}
