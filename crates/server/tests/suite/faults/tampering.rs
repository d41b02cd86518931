//! An audit that was tampered with by the database's superuser: fault 20.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use super::UNLIMITED;
use super::counts::TAMPERED;
use crate::support::program::Program;
use crate::support::service::Service;
use crate::support::upstream::connector;

const VERIFY: &str = "/api/v1/audit/verify";

/// Connectors, of which each is registered, enabled and disabled.
const CONNECTORS: usize = 4;
const ENTRIES: usize = 3 * CONNECTORS;

/// What is done to entry N; the number that has to be named. The last entry has no next one to be swapped with.
fn tamperings(number: usize) -> Vec<(String, usize)> {
    let (next, columns) = (
        number + 1,
        "at, actor, actor_type, action, subject, connector_id, reason, changes, correlation_id, source_address, \
         previous_hash, hash",
    );
    let mut done = vec![
        (format!("UPDATE audit_entries SET actor = 'eve' WHERE sequence = {number}"), number),
        (format!("UPDATE audit_entries SET changes = 'no JSON' WHERE sequence = {number}"), number),
        (format!("DELETE FROM audit_entries WHERE sequence = {number}"), number),
        (format!("DELETE FROM audit_entries WHERE sequence >= {number}"), number),
        (
            format!(
                "UPDATE audit_entries SET sequence = sequence + 1 WHERE sequence >= {number}; \
                 INSERT INTO audit_entries SELECT {number}, {columns} FROM kept_audit_entries WHERE sequence = {number}; \
                 UPDATE audit_entries SET actor = 'eve' WHERE sequence = {number}"
            ),
            number,
        ),
        ("DELETE FROM audit_entries".to_owned(), 1),
    ];
    if number < ENTRIES {
        let swap = format!("UPDATE audit_entries SET sequence = {number} + {next} - sequence");
        done.push((format!("{swap} WHERE sequence IN ({number}, {next})"), number));
    }
    done
}

#[rstest]
#[tokio::test]
async fn fault_20_what_the_superuser_did_to_the_audit_is_named(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::configured(engine, &UNLIMITED).await;
    let command = Program::new().with("CONNECTORS_DATABASE_URL", service.database_url());
    for number in 0..CONNECTORS {
        let name = json!({ "name": format!("connector {number}") });
        let path = service.register_enabled(&connector("https://api.example.com", &name)).await;
        service.post_nothing(&format!("{path}/disable")).await.expect(200);
    }
    let valid = service.get(VERIFY).await.expect(200);
    assert_eq!((&valid["valid"], &valid["entries"]), (&json!(true), &json!(ENTRIES)), "{valid}");
    let database = service.database();
    database.unlock_audit().await;

    let mut named = 0;
    // In small, one in the middle.
    let numbers = if TAMPERED.count() == ENTRIES { 1..=ENTRIES } else { 5..=4 + TAMPERED.count() };
    for (sql, expected) in numbers.flat_map(tamperings) {
        database.execute(&sql).await;
        let verdict = service.get(VERIFY).await.expect(200);
        assert_eq!((&verdict["valid"], &verdict["firstInvalidSequence"]), (&json!(false), &json!(expected)), "{sql}");
        let ended = command.run(&["audit", "verify"]);
        assert_eq!(ended.code, Some(1), "{sql}: {}", ended.stderr);
        assert_eq!(serde_json::from_str::<Value>(&ended.stdout).expect("JSON"), verdict, "{sql}");
        database.restore_audit().await;
        named += 1;
    }
    assert_eq!(service.get(VERIFY).await.expect(200), valid);
    TAMPERED.reached(format_args!("{named} tamperings on {engine:?}, each named by the API and by the command"));
}
