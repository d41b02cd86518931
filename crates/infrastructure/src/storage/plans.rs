//! How both engines carry out the lists and the purges, asked of the very texts that the adapter runs.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::access::Scope;
use domain::audit::AuditFilter;
use domain::correlation::CorrelationId;
use domain::id::{ConnectorId, LogId};
use domain::integration_log::{IntegrationStatus, LogFilter, LogOrder, LogPosition};
use domain::page::PageRequest;
use domain::repository::{ConnectorFilter, ConnectorPosition};
use domain::statistics::Window;
use rstest::rstest;
use sqlx::query::{QueryAs, QueryScalar};
use sqlx::{AssertSqlSafe, FromRow};
use test_support::{Engine, TestDatabase};
use uuid::Uuid;

use super::columns::Timestamp;
use super::conditions::Value;
use super::engine::Pool;
use super::integration_log::query;
use super::options::StorageOptions;
use super::url::DatabaseUrl;
use super::{audit, connector, retention, statistics};

/// 2 000 connectors; 20 000 calls through fifty of them, of which every hundredth failed and every thousandth is under
/// way; 10 000 entries about five hundred.
const POSTGRES_ROWS: &str = "
    INSERT INTO connectors SELECT ('01970000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, 'c' || n, 'c' || n, 'HR',
        NULL, 'Disabled', NULL, NULL, NULL, 'https://a.example', 'None', NULL, '{}', true, false, false, 60, 3, 5000,
        true, 'Full', 60000, 15000, 60000, NULL, '{}', now(), 'ana' FROM generate_series(0, 1999) n;
    INSERT INTO integration_logs SELECT ('01980000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
        ('01970000-0000-7000-8000-' || lpad((n % 50)::text, 12, '0'))::uuid, 'c', 'corr-' || n / 3, repeat('1', 32), 'pull',
        CASE WHEN n % 1000 = 0 THEN 'InProgress' WHEN n % 100 = 1 THEN 'Failed' ELSE 'Success' END, 'GET', '/x', 200, 1,
        CASE WHEN n % 100 = 1 THEN 'http-status' END, CASE WHEN n % 100 = 1 THEN 'm' END, NULL,
        CASE WHEN n % 100 = 1 THEN true END, NULL, CASE WHEN n % 1000 > 0 THEN 5 END,
        timestamptz '2026-01-01Z' + n * interval '1 second',
        CASE WHEN n % 1000 > 0 THEN timestamptz '2026-01-01Z' END, 'ana' FROM generate_series(1, 20000) n;
    INSERT INTO integration_log_payloads SELECT id, '{}', '{}' FROM integration_logs WHERE status = 'Success';
    INSERT INTO audit_entries SELECT n, timestamptz '2026-01-01Z' + n * interval '1 second', 'actor-' || n % 500, 'Local',
        'connector.updated', 's', ('01970000-0000-7000-8000-' || lpad((n % 500)::text, 12, '0'))::uuid, NULL, '[]',
        'corr-' || n, NULL, repeat('0', 64), repeat('0', 64) FROM generate_series(1, 10000) n;
    ANALYZE;";

/// One line of `SQLite`'s plan.
#[derive(FromRow)]
struct Step {
    detail: String,
}

/// PostgreSQL plans by numbers, and would rightly sort a handful of rows. What matters is that no large table has to be.
const POSTGRES_SETTINGS: &str = "SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off";

async fn explain(pool: &Pool, (sql, values): (String, Vec<Value>)) -> String {
    match pool {
        Pool::Postgres(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            sqlx::raw_sql(POSTGRES_SETTINGS).execute(&mut *connection).await.expect("set");
            let sql = AssertSqlSafe(format!("EXPLAIN {sql}"));
            let query = values.into_iter().fold(sqlx::query_scalar::<_, String>(sql), QueryScalar::bind);
            query.fetch_all(&mut *connection).await.expect("a plan").join("\n")
        }
        Pool::Sqlite { readers, .. } => {
            let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let query = values.into_iter().fold(sqlx::query_as::<_, Step>(sql), QueryAs::bind);
            let steps = query.fetch_all(readers).await.expect("a plan");
            steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
        }
    }
}

/// A page in the middle.
fn logs(filter: &LogFilter, order: LogOrder) -> (String, Vec<Value>) {
    let position = LogPosition { started_at: moment(), id: LogId::new(Uuid::from_u128(7)) };
    let request = PageRequest { after: Some(position), ..PageRequest::default() };
    query::page(filter, &Scope::All, order, &request).expect("a query")
}

fn entries(filter: &AuditFilter) -> (String, Vec<Value>) {
    audit::page(filter, &PageRequest { after: Some(5_000), ..PageRequest::default() }).expect("a query")
}

/// The first calls, and the first payloads, that are older than that; each engine has its own name for the primary key.
fn aged(engine: Engine) -> [(&'static str, (String, Vec<Value>)); 2] {
    let (at, batch) = (Value::Time(Timestamp(moment())), Value::Number(1_000));
    let payloads = match engine {
        Engine::Sqlite => "sqlite_autoindex_integration_log_payloads_1 (log_id<?)",
        Engine::Postgres => "integration_log_payloads_pkey",
    };
    let bodies = vec![Value::Id(retention::first_id(moment())), at.clone(), batch.clone()];
    [
        (payloads, (retention::BODIES.to_owned(), bodies)),
        ("integration_logs_by_time", (retention::LOGS.to_owned(), vec![at, batch])),
    ]
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a moment") + TimeDelta::seconds(10_000)
}

#[rstest]
#[tokio::test]
async fn every_list_and_every_purge_walks_an_index_in_its_order(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let _migrated = database.storage().await;
    if engine == Engine::Postgres {
        database.execute(POSTGRES_ROWS).await;
    }
    let url = DatabaseUrl::parse(database.url()).expect("a URL");
    let pool = StorageOptions::default().open(&url).await.expect("open");

    let connector_id = Some(ConnectorId::new(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0007)));
    let correlation_id = CorrelationId::parse("corr-77");
    let status = |status| LogFilter { status: Some(status), ..LogFilter::default() };
    let newest = LogOrder::NewestFirst;
    let position = ConnectorPosition { name_key: "c1".to_owned() };
    let connectors = PageRequest { after: Some(position), ..PageRequest::default() };
    let lists = [
        (
            "connectors_name_key",
            connector::page(&ConnectorFilter::default(), &Scope::All, &connectors).expect("a query"),
        ),
        ("integration_logs_by_time", logs(&LogFilter::default(), newest)),
        ("integration_logs_by_time", logs(&LogFilter { from: Some(moment()), ..LogFilter::default() }, newest)),
        ("integration_logs_by_connector", logs(&LogFilter { connector_id, ..LogFilter::default() }, newest)),
        (
            "integration_logs_by_correlation",
            logs(&LogFilter { correlation_id: correlation_id.clone(), ..LogFilter::default() }, LogOrder::OldestFirst),
        ),
        ("integration_logs_in_progress", logs(&status(IntegrationStatus::InProgress), LogOrder::OldestFirst)),
        ("integration_logs_failed", logs(&status(IntegrationStatus::Failed), newest)),
        ("audit_entries", entries(&AuditFilter::default())),
        ("audit_entries_by_connector", entries(&AuditFilter { connector_id, ..AuditFilter::default() })),
        (
            "audit_entries_by_actor",
            entries(&AuditFilter { actor: Some("actor-7".to_owned()), ..AuditFilter::default() }),
        ),
        ("audit_entries_by_correlation", entries(&AuditFilter { correlation_id, ..AuditFilter::default() })),
    ];
    for (index, list) in lists.into_iter().chain(aged(engine)) {
        let plan = explain(&pool, list).await;
        assert!(plan.contains(index), "{index}:\n{plan}");
        // PostgreSQL says `Sort` and `Seq Scan`; SQLite `TEMP B-TREE`, and `SCAN t` where it has no starting point.
        for costly in ["Sort", "Seq Scan", "TEMP B-TREE"] {
            assert!(!plan.contains(costly), "{index}:\n{plan}");
        }
        assert!(engine == Engine::Postgres || plan.starts_with("SEARCH"), "{index}:\n{plan}");
    }
}

#[rstest]
#[tokio::test]
async fn statistics_read_the_calls_of_their_window_and_no_others(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let _migrated = database.storage().await;
    if engine == Engine::Postgres {
        database.execute(POSTGRES_ROWS).await;
    }
    let url = DatabaseUrl::parse(database.url()).expect("a URL");
    let pool = StorageOptions::default().open(&url).await.expect("open");

    let timeline = Window::parse("15m").expect("a window").until(moment());
    let connector = ConnectorId::new(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0007));
    let scopes = [
        ("integration_logs_by_time", Scope::All),
        ("integration_logs_by_connector", Scope::Only(BTreeSet::from([connector]))),
    ];
    for (index, scope) in scopes {
        let plan = explain(&pool, statistics::query(&timeline, &scope).expect("a query")).await;
        // The calls are counted by one index, and the last errors looked up by another.
        assert!(plan.contains(index) && plan.contains("integration_logs_failed"), "{index}:\n{plan}");
        let whole = ["Seq Scan on integration_logs", "SCAN integration_logs", "SCAN l", "SCAN e"];
        assert!(plan.lines().all(|line| !whole.iter().any(|scan| line.trim().ends_with(scan))), "{index}:\n{plan}");
    }
}
