//! The roles on PostgreSQL, made by the file that is shipped, and a whole life of the service as the least of them.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use test_support::{PostgresServer, TestDatabase};

use crate::support::Program;
use crate::support::program::Running;
use crate::support::upstream::Upstream;

const ROLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres-roles.sql");

/// What psql says.
fn psql(url: &str, arguments: &[&str]) -> String {
    let run = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
        .args(arguments)
        .arg(url)
        .output()
        .expect("psql");
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

/// Why a statement is refused.
fn refusal(url: &str, sql: &str) -> String {
    let run = Command::new("psql").args(["--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--command", sql, url]).output();
    let run = run.expect("psql");
    assert!(!run.status.success(), "{sql} is not refused");
    String::from_utf8(run.stderr).expect("text")
}

/// The URL of the same database for another role.
fn url_of(database: &TestDatabase, role: &str) -> String {
    database.url().replace("postgres@", &format!("{role}@"))
}

fn program_as(database: &TestDatabase, role: &str) -> Program {
    Program::new()
        .with("CONNECTORS_DATABASE_URL", &url_of(database, role))
        .with("CONNECTORS_ALLOW_HTTP", "true")
        .with("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.0/8")
        .with("CONNECTORS_RETENTION_LOGS_DAYS", "1")
}

/// Everything that writes: connectors, calls, keys of requests, API keys, leases.
async fn live(service: &Running, program: &Program, name: &str) {
    let upstream = Upstream::empty().await;
    let given = upstream.connector(&json!({ "name": name, "rateLimitPerMinute": 100 }));
    let create = service.request("POST", "/api/v1/connectors").header("Idempotency-Key", name);
    let id = create.json(&given).send().await.expect(201)["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/connectors/{id}");
    let changed = upstream.connector(&json!({ "name": name, "description": "changed" }));
    service.request("PUT", &path).json(&changed).send().await.expect(200);
    service.request("POST", &format!("{path}/enable")).send().await.expect(200);
    for key in ["once", "again"] {
        let call = json!({ "operationType": "pull", "endpoint": "/x" });
        let execute = service.request("POST", &format!("{path}/execute")).json(&call);
        let execution = execute.header("Idempotency-Key", &format!("{name}-{key}")).send().await.expect(200);
        assert_eq!((&execution["log"]["status"], &execution["recorded"]), (&json!("Success"), &json!(true)));
    }
    service.request("POST", &format!("{path}/test")).send().await.expect(200);
    service.request("POST", &format!("{path}/disable")).send().await.expect(200);
    assert_eq!(service.request("DELETE", &path).send().await.status, 204);
    program.succeed(&["keys", "create", "--name", name, "--role", "viewer"]);
    program.succeed(&["keys", "revoke", name]);
    let verdict: serde_json::Value = serde_json::from_str(&program.succeed(&["audit", "verify"])).expect("JSON");
    assert_eq!(verdict["valid"], true, "{verdict}");
}

#[tokio::test]
async fn se_a_6_the_services_role_owns_nothing_and_only_adds_to_the_audit() {
    let server = PostgresServer::start();
    let database = TestDatabase::on(&server).await;
    psql(database.url(), &["--file", ROLES]);
    let early = program_as(&database, "connectors_app").run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(early.code, Some(1), "it makes no schema: {}", early.stderr);
    program_as(&database, "connectors_migrator").succeed(&["migrate"]);
    // Once more changes nothing, neither before nor after the first migration.
    let rights = "SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace \
         AND relkind IN ('r', 'v') ORDER BY relname";
    let before = psql(database.url(), &["--command", rights]);
    psql(database.url(), &["--file", ROLES]);
    assert_eq!(psql(database.url(), &["--command", rights]), before);
    assert!(before.lines().count() > 10 && before.lines().all(|line| line.contains("|connectors_owner|")), "{before}");

    let program = program_as(&database, "connectors_app");
    let service = program.start(&["serve"]);
    live(&service, &program, "first").await;
    service.stop();
    // What is old goes, by the same role.
    database.execute("UPDATE integration_logs SET started_at = now() - interval '2 days'").await;
    let service = program.start(&["serve"]);
    let purged = "/api/v1/audit?action=retention.purged";
    while service.request("GET", purged).send().await.expect(200)["items"].as_array().expect("items").is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    live(&service, &program, "second").await;

    let app = url_of(&database, "connectors_app");
    for sql in [
        "UPDATE audit_entries SET actor = 'eve'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DROP TABLE audit_entries",
        "ALTER TABLE audit_entries ADD COLUMN x TEXT",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only",
        "DROP TRIGGER audit_entries_append_only ON audit_entries",
        "DROP FUNCTION audit_is_append_only() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER mine BEFORE INSERT ON audit_entries EXECUTE FUNCTION audit_is_append_only()",
        "ALTER TABLE audit_entries RENAME TO gone",
        "SET session_replication_role = replica",
        "SET ROLE connectors_owner",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head VALUES (2, 0, repeat('0', 64))",
        "TRUNCATE audit_head",
        "TRUNCATE connectors CASCADE",
        "ALTER TABLE audit_head DISABLE TRIGGER ALL",
        "UPDATE audit_head SET sequence = 0",
        "DELETE FROM _sqlx_migrations",
        "UPDATE _sqlx_migrations SET success = false",
        "CREATE TABLE mine (id INTEGER)",
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE SCHEMA mine",
    ] {
        let why = refusal(&app, sql);
        let head_moves = sql.starts_with("UPDATE audit_head") && why.contains("append-only");
        let known = ["permission denied", "must be owner"].iter().any(|refused| why.contains(refused));
        assert!(known || head_moves, "{sql}: {why}");
    }
    let owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'connectors_app'::regrole AND deptype = 'o'";
    assert_eq!(psql(database.url(), &["--command", owned]).trim(), "0");
    let on_audit = "SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type) \
         FROM information_schema.table_privileges WHERE grantee = 'connectors_app' AND table_name = 'audit_entries'";
    assert_eq!(psql(database.url(), &["--command", on_audit]).trim(), "INSERT SELECT");
    assert!(refusal(&url_of(&database, "connectors_owner"), "SELECT 1").contains("not permitted to log in"));
    live(&service, &program, "third").await;
    service.stop();
}

/// A store that one role has made and served so far.
#[tokio::test]
async fn se_a_6_the_roles_are_put_on_a_store_that_is_there() {
    let server = PostgresServer::start();
    let database = TestDatabase::on(&server).await;
    let _migrated = database.storage().await;
    let names = ["--set", "owner=esg_owner", "--set", "migrator=Esg-Migrator", "--set", "app=esg_app"];
    psql(database.url(), &[&names[..], &["--file", ROLES]].concat());
    let program = program_as(&database, "esg_app");
    let service = program.start(&["serve"]);
    live(&service, &program, "first").await;
    service.stop();
    for sql in ["UPDATE audit_entries SET actor = actor", "DELETE FROM audit_entries", "DELETE FROM audit_head"] {
        let why = refusal(&url_of(&database, "esg_app"), sql);
        assert!(why.contains("permission denied"), "{sql}: {why}");
    }
    assert!(program_as(&database, "Esg-Migrator").run(&["migrate"]).stderr.contains("has already the schema"));
}
