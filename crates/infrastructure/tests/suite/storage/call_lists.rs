use std::collections::BTreeSet;
use std::time::Duration;

use domain::access::Scope;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::{
    CallIntent, Completion, HttpMethod, IntegrationStatus, LogFilter, LogOrder, LogPosition, OperationType,
};
use domain::page::{PageRequest, PageSize};
use domain::repository::{CallJournal, IntegrationLogRepository};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{begin, complete, connector_id, correlation, intent, log_id, moment, register_enabled, success};

async fn listed(storage: &SqlStorage, filter: LogFilter, scope: &Scope, order: LogOrder) -> Vec<u128> {
    let page = storage.list_logs(&filter, scope, order, &PageRequest::default()).await.expect("listed");
    assert_eq!(page.next, None);
    page.items.iter().map(|log| log.intent.id.as_uuid().as_u128() - log_id(0).as_uuid().as_u128()).collect()
}

async fn newest(storage: &SqlStorage, filter: LogFilter) -> Vec<u128> {
    listed(storage, filter, &Scope::All, LogOrder::NewestFirst).await
}

/// Five calls: through connector 1 a success, a slow failure and one under way, through connector 2 a push, and a
/// skipped call.
async fn five_calls(storage: &SqlStorage) {
    register_enabled(storage, 1, "One").await;
    register_enabled(storage, 2, "Two").await;
    begin(storage, &intent(1, 1)).await;
    complete(storage, 1, &success()).await;
    begin(storage, &intent(2, 1)).await;
    let failed = Completion {
        status: IntegrationStatus::Failed,
        http_status_code: Some(503),
        failure: Some(Failure::status(503, None)),
        duration: Duration::from_secs(9),
        ..success()
    };
    complete(storage, 2, &failed).await;
    begin(storage, &CallIntent { correlation_id: correlation("corr-other"), ..intent(3, 1) }).await;
    begin(storage, &CallIntent { operation_type: OperationType::Push, method: HttpMethod::Post, ..intent(4, 2) }).await;
    complete(storage, 4, &success()).await;
    let skipped = Completion {
        status: IntegrationStatus::Skipped,
        http_status_code: None,
        attempt_count: 0,
        failure: Some(Failure::new(ErrorCode::ConnectorDisabled, "the connector is disabled")),
        duration: Duration::ZERO,
        ..success()
    };
    storage.skip_call(&intent(5, 2), &skipped).await.expect("skipped");
}

#[rstest]
#[tokio::test]
async fn filters_narrow_the_list(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    five_calls(&storage).await;

    let none = LogFilter::default;
    assert_eq!(newest(&storage, none()).await, [5, 4, 3, 2, 1]);
    assert_eq!(newest(&storage, LogFilter { connector_id: Some(connector_id(2)), ..none() }).await, [5, 4]);
    assert_eq!(newest(&storage, LogFilter { connector_id: Some(connector_id(9)), ..none() }).await, [0; 0]);
    assert_eq!(newest(&storage, LogFilter { correlation_id: Some(correlation("corr-other")), ..none() }).await, [3]);
    for (status, found) in [
        (IntegrationStatus::InProgress, vec![3]),
        (IntegrationStatus::Success, vec![4, 1]),
        (IntegrationStatus::Failed, vec![2]),
        (IntegrationStatus::Skipped, vec![5]),
    ] {
        assert_eq!(newest(&storage, LogFilter { status: Some(status), ..none() }).await, found, "{status:?}");
    }
    for (operation, found) in [("push", vec![4]), ("pull", vec![5, 3, 2, 1]), ("webhook", vec![]), ("p\0", vec![])] {
        let filter = LogFilter { operation_type: Some(operation.to_owned()), ..none() };
        assert_eq!(newest(&storage, filter).await, found, "{operation:?}");
    }
    assert_eq!(newest(&storage, LogFilter { from: Some(moment(4)), ..none() }).await, [5, 4], "from is within");
    assert_eq!(newest(&storage, LogFilter { to: Some(moment(3)), ..none() }).await, [2, 1], "to is without");
    assert_eq!(newest(&storage, LogFilter { http_status_code: Some(503), ..none() }).await, [2]);
    let slow = LogFilter { min_duration: Some(Duration::from_secs(9)), ..none() };
    assert_eq!(newest(&storage, slow.clone()).await, [2], "at least is within");
    let both = LogFilter { connector_id: Some(connector_id(2)), ..slow };
    assert_eq!(newest(&storage, both).await, [0; 0], "all filters hold");
}

#[rstest]
#[tokio::test]
async fn a_scope_hides_the_calls_of_other_connectors(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    five_calls(&storage).await;
    let only = |numbers: &[u128]| Scope::Only(numbers.iter().copied().map(connector_id).collect::<BTreeSet<_>>());
    let order = LogOrder::NewestFirst;

    assert_eq!(listed(&storage, LogFilter::default(), &only(&[2, 7]), order).await, [5, 4]);
    assert_eq!(listed(&storage, LogFilter::default(), &only(&[1, 2]), order).await, [5, 4, 3, 2, 1]);
    assert_eq!(listed(&storage, LogFilter::default(), &only(&[]), order).await, [0; 0]);
    let asked = LogFilter { connector_id: Some(connector_id(1)), ..LogFilter::default() };
    assert_eq!(listed(&storage, asked.clone(), &only(&[2]), order).await, [0; 0]);
    assert_eq!(listed(&storage, asked, &only(&[1]), order).await, [3, 2, 1]);
    let traced = LogFilter { correlation_id: Some(correlation("corr-12345")), ..LogFilter::default() };
    assert_eq!(listed(&storage, traced, &only(&[1]), LogOrder::OldestFirst).await, [1, 2]);
}

#[rstest]
#[tokio::test]
async fn a_trace_is_read_from_its_beginning(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    five_calls(&storage).await;
    let traced = LogFilter { correlation_id: Some(correlation("corr-12345")), ..LogFilter::default() };
    assert_eq!(listed(&storage, traced.clone(), &Scope::All, LogOrder::OldestFirst).await, [1, 2, 4, 5]);
    let size = PageSize::new(3).expect("a size");
    let order = LogOrder::OldestFirst;
    let first =
        storage.list_logs(&traced, &Scope::All, order, &PageRequest { size, after: None }).await.expect("listed");
    let rest = PageRequest { size, after: first.next };
    let second = storage.list_logs(&traced, &Scope::All, order, &rest).await.expect("listed");
    assert_eq!(first.next, Some(LogPosition { started_at: moment(4), id: log_id(4) }));
    assert_eq!((second.items[0].intent.id, second.next), (log_id(5), None));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_neither_lose_nor_repeat_while_calls_come_in(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    // Several calls at the very same moment: their ids have to decide.
    let at = |number: u128| CallIntent {
        started_at: moment(i64::try_from(number / 7).expect("small")),
        ..intent(number, 1)
    };
    for number in 0..60 {
        begin(&storage, &at(number)).await;
    }
    let busy = storage.clone();
    let arrivals = tokio::spawn(async move {
        for number in 60..120 {
            begin(&busy, &at(number)).await;
        }
    });
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest { size: PageSize::new(4).expect("a size"), after };
        let page = storage
            .list_logs(&LogFilter::default(), &Scope::All, LogOrder::NewestFirst, &request)
            .await
            .expect("listed");
        seen.extend(page.items.iter().map(|log| (log.intent.started_at, log.intent.id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    arrivals.await.expect("all calls came in");
    assert!(seen.is_sorted_by(|one, next| one > next), "newest first, nothing twice");
    let there_from_the_start = seen.iter().filter(|(_, id)| *id < log_id(60)).count();
    assert_eq!(there_from_the_start, 60);
}
