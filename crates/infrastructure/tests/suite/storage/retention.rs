//! Removing what is old (DU-8).

use std::sync::Arc;
use std::time::Duration;

use application::ports::Clock;
use application::retention::Purger;
use chrono::{DateTime, TimeDelta, Utc};
use domain::access::Actor;
use domain::audit::{AuditEntry, AuditFilter, ChainedEntry, GENESIS};
use domain::idempotency::{Fingerprint, IdempotencyClaim, IdempotencyKey, StoredAnswer};
use domain::integration_log::{IntegrationStatus, Payloads};
use domain::page::{PageRequest, PageSize};
use domain::repository::{AuditTrail, CallJournal, IdempotencyKeys, IntegrationLogRepository, Recorded, Storage};
use domain::retention::{Aged, Purge, Purged, Retention, RetentionPeriods};
use infrastructure::storage::SqlStorage;
use infrastructure::system::UuidV7Ids;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use test_support::{Engine, TestDatabase};
use tokio_util::sync::CancellationToken;

use super::samples::{act, attempt, begin, intent, log_id, moment, outcome, register_enabled, success};

const PERIODS: RetentionPeriods = RetentionPeriods { logs_days: 90, bodies_days: 14 };

/// Long after everything that these tests store.
struct Today;

impl Clock for Today {
    fn now(&self) -> DateTime<Utc> {
        moment(0) + TimeDelta::days(200)
    }
}

fn purger(storage: &SqlStorage) -> Purger {
    Purger::new(Arc::new(storage.clone()), Arc::new(Today), Arc::new(UuidV7Ids), PERIODS)
}

async fn purge(storage: &SqlStorage) -> u64 {
    purger(storage).purge(&CancellationToken::new()).await.expect("purged")
}

fn payloads() -> Payloads {
    Payloads { request: Some(json!({ "body": "asked" })), response: Some(json!({ "body": "answered" })) }
}

/// A call with a body that began as long ago, and has ended.
async fn call(storage: &SqlStorage, number: u128, age: TimeDelta) {
    let mut intent = intent(number, 1);
    intent.started_at = Today.now() - age;
    begin(storage, &intent).await;
    let ended = outcome(log_id(number), "/employees", &success(), Some(&attempt(1)), &payloads());
    assert_eq!(storage.complete_call(&ended).await.expect("answered"), Recorded::Kept);
}

/// So many calls from before everything is kept, each with an attempt, behind the store's back.
async fn old_calls(database: &TestDatabase, engine: Engine, count: u32) {
    let (id, at) = match engine {
        Engine::Sqlite => ("printf('01970000-0000-7000-8000-%012d', n)", "'2026-01-01T00:00:00.000000Z'"),
        Engine::Postgres => {
            ("('01970000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid", "timestamptz '2026-01-01Z'")
        }
    };
    let numbers =
        format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})");
    let calls = format!(
        "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type, \
         status, http_method, endpoint, attempt_count, duration_ms, started_at, completed_at, initiated_by) \
         {numbers} SELECT {id}, (SELECT id FROM connectors), 'One', 'corr', '4bf92f3577b34da6a3ce929d0e0e4736', 'pull', \
         'Success', 'GET', '/x', 1, 5, {at}, {at}, 'ana' FROM numbers"
    );
    let attempts = format!(
        "INSERT INTO integration_log_attempts (log_id, number, started_at, duration_ms, waited_ms) \
         {numbers} SELECT {id}, 1, {at}, 5, 0 FROM numbers"
    );
    database.execute(&calls).await;
    database.execute(&attempts).await;
}

/// What the audit tells of purges, the oldest first, once its whole chain is seen to hold.
async fn audited(storage: &SqlStorage) -> Vec<AuditEntry> {
    let whole = PageRequest { size: PageSize::new(200).expect("a size"), after: None };
    let page = storage.list_entries(&AuditFilter::default(), &whole).await.expect("listed");
    assert!(page.next.is_none(), "the whole chain");
    let (mut previous, mut purges) = (GENESIS, Vec::new());
    for (sequence, link) in (1..).zip(page.items.into_iter().rev()) {
        assert_eq!(link, ChainedEntry::append(link.entry.clone(), sequence, previous));
        previous = link.hash;
        if link.entry.action.as_str() == "retention.purged" {
            purges.push(link.entry);
        }
    }
    purges
}

fn counted(entry: &AuditEntry) -> u64 {
    entry.changes[0].before["count"].as_u64().expect("a number")
}

#[rstest]
#[tokio::test]
async fn du_8_bodies_go_after_14_days_and_calls_after_90_unless_they_are_under_way(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let moment_more = TimeDelta::microseconds(1);
    call(&storage, 1, TimeDelta::days(90) + moment_more).await;
    call(&storage, 2, TimeDelta::days(90)).await;
    call(&storage, 3, TimeDelta::days(14) + moment_more).await;
    call(&storage, 4, TimeDelta::days(14)).await;
    let mut under_way = intent(5, 1);
    under_way.started_at = Today.now() - TimeDelta::days(199);
    begin(&storage, &under_way).await;

    assert_eq!(purge(&storage).await, 4, "three bodies and a call");
    assert_eq!(storage.find_log(log_id(1)).await.expect("read"), None);
    let attempts = database.rows("SELECT CAST(log_id AS TEXT) FROM integration_log_attempts ORDER BY log_id").await;
    assert_eq!(attempts, [2, 3, 4].map(|number| vec![log_id(number).to_string()]));
    for (number, kept) in [(2, Payloads::default()), (3, Payloads::default()), (4, payloads())] {
        let page = storage.find_log(log_id(number)).await.expect("read").expect("found");
        assert_eq!((page.payloads, page.attempts.len()), (kept, 1), "call {number}");
    }
    let page = storage.find_log(log_id(5)).await.expect("read").expect("found");
    assert_eq!(page.log.status(), IntegrationStatus::InProgress);

    let entries = audited(&storage).await;
    let told: Vec<_> = entries.iter().map(|entry| (entry.changes[0].pointer.as_str(), counted(entry))).collect();
    assert_eq!(told, [("/bodies", 3), ("/logs", 1)]);
    let logs = &entries[1];
    assert_eq!(logs.changes[0].before["beganBefore"], "2026-05-21T03:45:00.000001Z");
    assert_eq!((&logs.changes[0].after, logs.subject.as_str()), (&Value::Null, "integration-logs"));
    assert_eq!((&logs.actor, logs.actor.kind.as_str()), (&Actor::system("retention"), "System"));
    assert_eq!(logs.reason.as_deref(), Some("`retention.logs_days` is 90"));
    assert_eq!((logs.at, logs.source_address), (Today.now(), None));
    assert_eq!(logs.correlation_id, entries[0].correlation_id, "one run");

    assert_eq!(purge(&storage).await, 0);
    assert_eq!(audited(&storage).await, entries, "the audit tells nothing of nothing");
}

#[rstest]
#[tokio::test]
async fn du_8_keys_of_requests_are_forgotten_after_their_24_hours(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for (key, hours) in [("old", 25), ("young", 23)] {
        let claim = IdempotencyClaim {
            owner: act("ana").actor,
            key: IdempotencyKey::parse(key).expect("a key"),
            fingerprint: Fingerprint::of("POST", "/x", b""),
            claimed_at: Today.now() - TimeDelta::hours(hours),
        };
        let answer = StoredAnswer { status: 204, headers: Vec::new(), body: Arc::from([]) };
        let mut unit = storage.begin().await.expect("begun");
        assert!(unit.keep_answer(&claim, &answer).await.expect("kept"));
        unit.commit().await.expect("committed");
    }
    assert_eq!(purge(&storage).await, 0, "they are no calls");
    assert_eq!(database.rows("SELECT idempotency_key FROM idempotency_keys").await, [["young"]]);
    assert_eq!(storage.forget_idempotency_keys(Today.now(), 10).await.expect("forgotten"), 1);
    assert_eq!(audited(&storage).await, []);
}

#[rstest]
#[tokio::test]
async fn du_8_replicas_that_purge_at_once_remove_every_call_once_in_batches_of_which_the_audit_tells(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    old_calls(&database, engine, 4_500).await;
    let mut replicas = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let replica = database.storage().await;
        replicas.spawn(async move { purge(&replica).await });
    }
    assert_eq!(replicas.join_all().await.into_iter().sum::<u64>(), 4_500);
    let told: Vec<_> = audited(&storage).await.iter().map(counted).collect();
    assert_eq!(told, [1_000, 1_000, 1_000, 1_000, 500]);
    assert_eq!(database.rows("SELECT '1' FROM integration_log_attempts").await, [[""; 0]; 0]);
}

/// The first replica is held up by a row that somebody holds.
#[tokio::test]
async fn du_8_one_replica_purges_at_a_time() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let (storage, replica) = (database.storage().await, database.storage().await);
    register_enabled(&storage, 1, "One").await;
    old_calls(&database, Engine::Postgres, 1).await;
    let mut somebody = PgConnection::connect(database.url()).await.expect("connected");
    sqlx::raw_sql("BEGIN; SELECT id FROM integration_logs FOR UPDATE").execute(&mut somebody).await.expect("held");
    let first = tokio::spawn(async move { purge(&storage).await });
    let waiting = "SELECT 'waits' FROM pg_locks l JOIN pg_database d ON d.oid = l.database OR l.locktype = 'transactionid' \
         WHERE d.datname = current_database() AND NOT l.granted";
    while database.rows(waiting).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let old = Purge::older(Aged::Logs, PERIODS, Today.now());
    assert_eq!(replica.purge(&old, 10, &act("ana")).await.expect("answered"), Purged::Elsewhere);
    assert_eq!(purge(&replica).await, 0);
    sqlx::raw_sql("COMMIT").execute(&mut somebody).await.expect("let go");
    assert_eq!(first.await.expect("ended"), 1);
    assert_eq!(replica.purge(&old, 10, &act("ana")).await.expect("answered"), Purged::Removed(0), "it is free again");
}

#[rstest]
#[tokio::test]
async fn du_8_calls_go_on_while_50_000_old_ones_are_removed(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    old_calls(&database, engine, 50_000).await;
    let replica = database.storage().await;
    let purging = tokio::spawn(async move { purge(&replica).await });
    let mut calls = 0;
    while !purging.is_finished() {
        calls += 1;
        let mut intent = intent(calls, 1);
        intent.started_at = Today.now();
        begin(&storage, &intent).await;
        let ended = outcome(log_id(calls), "/employees", &success(), Some(&attempt(1)), &payloads());
        assert_eq!(storage.complete_call(&ended).await.expect("completed"), Recorded::Kept);
    }
    assert_eq!(purging.await.expect("ended"), 50_000);
    assert!(calls >= 50, "one in every pause at least: {calls}");
    let kept = database.rows("SELECT CAST(count(*) AS TEXT) FROM integration_logs").await;
    assert_eq!(kept, [[calls.to_string()]]);
    assert_eq!(audited(&storage).await.iter().map(counted).sum::<u64>(), 50_000);
}
