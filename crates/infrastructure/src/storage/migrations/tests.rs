//! Migrations over rows that are there already.

use rstest::rstest;
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use test_support::{Engine, TestDatabase};

use super::{POSTGRES, Pool, SQLITE, migrate};
use crate::storage::options::StorageOptions;
use crate::storage::url::DatabaseUrl;

/// A call with an attempt, its bodies and the request that named it, of the schema before drafts could be tested.
const ROWS: &str = "
    INSERT INTO connectors (id, version, name, name_key, connector_type, status, endpoint_base_url, authentication_type,
        authentication_settings, supports_pull, supports_push, supports_webhook, rate_limit_per_minute,
        max_retry_attempts, retry_delay_ms, use_exponential_backoff, retry_jitter, max_retry_delay_ms,
        attempt_timeout_ms, deadline_ms, mapping_configuration, created_at, created_by)
    VALUES ('01970000-0000-7000-8000-000000000001', 1, 'HR', 'hr', 'HR', 'Disabled', 'https://a.example', 'None', '{}',
        TRUE, FALSE, FALSE, 60, 3, 5000, TRUE, 'Full', 60000, 15000, 60000, '{}', '2026-01-31T04:05:00.000001Z', 'ana');
    INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type, status,
        http_method, endpoint, attempt_count, duration_ms, started_at, completed_at, initiated_by, lease_id)
    VALUES ('01980000-0000-7000-8000-000000000001', '01970000-0000-7000-8000-000000000001', 'HR', 'corr-1',
        '4bf92f3577b34da6a3ce929d0e0e4736', 'pull', 'Success', 'GET', '/x', 1, 5, '2026-01-31T04:05:00.000001Z',
        '2026-01-31T04:05:01.000001Z', 'ana', '01960000-0000-7000-8000-000000000001');
    INSERT INTO integration_log_attempts (log_id, number, started_at, duration_ms, waited_ms)
    VALUES ('01980000-0000-7000-8000-000000000001', 1, '2026-01-31T04:05:00.000001Z', 5, 0);
    INSERT INTO integration_log_payloads (log_id, request_summary)
    VALUES ('01980000-0000-7000-8000-000000000001', '{\"url\":\"https://a.example/x\"}');
    INSERT INTO idempotency_keys (actor_type, actor, idempotency_key, fingerprint, claimed_at, log_id)
    VALUES ('Local', 'local', 'k', '0000000000000000000000000000000000000000000000000000000000000000',
        '2026-01-31T04:05:00.000001Z', '01980000-0000-7000-8000-000000000001');";

/// Everything of the call, and how many calls are through no connector.
const LEFT: &str = "
    SELECT l.lease_id || ' ' || l.correlation_id || ' ' || a.number || ' ' || p.request_summary || ' ' || k.idempotency_key
        || ' ' || (SELECT count(*) FROM integration_logs n WHERE n.connector_id IS NULL)
    FROM integration_logs l JOIN integration_log_attempts a ON a.log_id = l.id
    JOIN integration_log_payloads p ON p.log_id = l.id JOIN idempotency_keys k ON k.log_id = l.id";

const WITHOUT_CONNECTOR: &str = "
    INSERT INTO integration_logs (id, connector_name, correlation_id, trace_id, operation_type, status, http_method,
        endpoint, attempt_count, started_at, initiated_by)
    VALUES ('01980000-0000-7000-8000-000000000002', 'A draft', 'corr-2', '4bf92f3577b34da6a3ce929d0e0e4736', 'test',
        'InProgress', 'GET', '/', 0, '2026-01-31T04:05:00.000001Z', 'ana')";

/// The same through a connector that never was.
const WITHOUT_SENSE: &str = "
    INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type, status,
        http_method, endpoint, attempt_count, started_at, initiated_by)
    VALUES ('01980000-0000-7000-8000-000000000003', '01970000-0000-7000-8000-000000000009', 'Nobody', 'corr-3',
        '4bf92f3577b34da6a3ce929d0e0e4736', 'test', 'InProgress', 'GET', '/', 0, '2026-01-31T04:05:00.000001Z', 'ana')";

fn until(all: &Migrator, version: i64) -> Migrator {
    Migrator::with_migrations(all.iter().filter(|migration| migration.version <= version).cloned().collect())
}

async fn migrate_until(pool: &Pool, version: i64) {
    match pool {
        Pool::Postgres(pool) => until(&POSTGRES, version).run(pool).await,
        Pool::Sqlite { writer, .. } => until(&SQLITE, version).run(writer).await,
    }
    .expect("migrated");
}

async fn execute(pool: &Pool, sql: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    match pool {
        Pool::Postgres(pool) => query.execute(pool).await.map(drop),
        Pool::Sqlite { writer, .. } => query.execute(writer).await.map(drop),
    }
}

/// Asked of a connection that was open before the migration.
async fn texts(pool: &Pool, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql);
    match pool {
        Pool::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pool::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_all(readers).await,
    }
    .expect("rows")
}

#[rstest]
#[tokio::test]
async fn calls_keep_their_attempts_and_bodies_when_drafts_can_be_tested(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let url = DatabaseUrl::parse(database.url()).expect("a URL");
    let options = StorageOptions::default();
    let (pool, replica) = (options.open(&url).await.expect("open"), options.open(&url).await.expect("open"));
    migrate_until(&pool, 8).await;
    execute(&pool, ROWS).await.expect("rows");
    let call = "01960000-0000-7000-8000-000000000001 corr-1 1 {\"url\":\"https://a.example/x\"} k";
    assert_eq!(texts(&pool, LEFT).await, [format!("{call} 0")]);
    assert_eq!(texts(&replica, LEFT).await, [format!("{call} 0")]);
    execute(&replica, WITHOUT_CONNECTOR).await.expect_err("every call is through a connector");

    migrate(&pool).await.expect("migrated");
    assert_eq!(texts(&pool, LEFT).await, [format!("{call} 0")]);
    // Also on connections that knew the schema of before.
    execute(&replica, WITHOUT_CONNECTOR).await.expect("a draft");
    execute(&pool, WITHOUT_SENSE).await.expect_err("the foreign key is still there");
    assert_eq!(texts(&replica, LEFT).await, [format!("{call} 1")]);
    if engine == Engine::Sqlite {
        assert_eq!(texts(&pool, "PRAGMA integrity_check").await, ["ok"]);
        assert_eq!(texts(&pool, "SELECT 'x' FROM pragma_foreign_key_check").await, [""; 0]);
    }
    // Rows go with their call, as before.
    execute(&pool, "DELETE FROM integration_logs").await.expect("deleted");
    let rows = "SELECT 'x' FROM integration_log_attempts UNION ALL SELECT 'x' FROM integration_log_payloads";
    assert_eq!(texts(&pool, rows).await, [""; 0]);
}
