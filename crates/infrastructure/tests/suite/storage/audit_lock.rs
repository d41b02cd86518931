//! The audit only grows, whoever asks.

use domain::repository::AuditTrail;
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{register, register_enabled, settings};

async fn with_entries(engine: Engine) -> (TestDatabase, SqlStorage) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    (database, storage)
}

#[rstest]
#[tokio::test]
async fn se_a_5_nobody_changes_or_removes_an_entry_or_sets_the_end_back(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (database, storage) = with_entries(engine).await;
    let mut refused = vec![
        "UPDATE audit_entries SET actor = 'eve' WHERE sequence = 1",
        "UPDATE audit_entries SET actor = actor",
        "DELETE FROM audit_entries WHERE sequence = 2",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET sequence = 0",
        "UPDATE audit_head SET sequence = 1",
        "UPDATE audit_head SET sequence = 4",
        "UPDATE audit_head SET id = 2",
        "UPDATE audit_head SET hash = replace(hash, substr(hash, 1, 1), 'g')",
        "UPDATE audit_head SET sequence = 3, hash = replace(hash, substr(hash, 1, 1), 'g')",
    ];
    match engine {
        Engine::Sqlite => refused.extend([
            "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE sequence = 1",
            "REPLACE INTO audit_head (id, sequence, hash) SELECT id, 0, hash FROM audit_head",
        ]),
        Engine::Postgres => refused.extend([
            "TRUNCATE audit_entries",
            "TRUNCATE audit_head",
            "TRUNCATE audit_head, audit_entries",
            "TRUNCATE connectors CASCADE",
            "SET session_replication_role = replica; DELETE FROM audit_entries",
            "INSERT INTO audit_entries SELECT * FROM audit_entries ON CONFLICT (sequence) DO UPDATE SET actor = 'eve'",
        ]),
    }
    for sql in refused {
        let why = database.refusal(sql).await;
        assert!(why.contains("the audit is append-only"), "{sql}: {why}");
    }
    register(&storage, 2, settings("Two")).await.expect("the service goes on");
    let verified = storage.verify_chain(None).await.expect("verified");
    assert_eq!((verified.fault, verified.entries), (None, 3));
}
