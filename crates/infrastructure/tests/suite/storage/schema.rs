use std::path::Path;

use domain::error::StorageError;
use domain::repository::Storage;
use infrastructure::storage::{DatabaseUrl, SqlStorage, StorageOptions};
use rstest::rstest;
use test_support::{Engine, TestDatabase};

fn migrations(engine: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(engine);
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .expect("the directory of an engine")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a readable name"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn both_engines_have_the_same_migrations() {
    assert_eq!(migrations("postgres"), migrations("sqlite"));
    assert!(!migrations("sqlite").is_empty());
}

async fn columns(engine: Engine, sql: &str) -> Vec<String> {
    let database = TestDatabase::start(engine).await;
    let _migrated = database.storage().await;
    let mut columns: Vec<String> = database.rows(sql).await.iter().map(|row| row.join(".")).collect();
    columns.sort_unstable();
    columns
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let sqlite = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c \
        WHERE t.type IN ('table', 'view')";
    let postgres = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'";
    assert_eq!(columns(Engine::Sqlite, sqlite).await, columns(Engine::Postgres, postgres).await);
}

#[rstest]
#[tokio::test]
async fn a_store_is_checked_against_this_versions_schema(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.unmigrated_storage().await;
    let not_yet = storage.check().await.expect_err("there is no schema").to_string();
    assert!(not_yet.contains("connectors migrate"), "{not_yet}");
    storage.migrate().await.expect("migrated");
    storage.migrate().await.expect("nothing is left to do");
    storage.check().await.expect("the schema is there");

    database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    storage.check().await.expect("an older replica goes on serving while newer ones take over");
    let refused = storage.migrate().await;
    assert!(matches!(refused, Err(StorageError::Failed { .. })), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_together_make_one_schema_and_one_cursor_key(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let (one, two) = tokio::join!(database.storage(), database.storage());
    let key = one.cursor_key().await.expect("read");
    assert_eq!(two.cursor_key().await.expect("read"), key);
    assert_ne!(key, [0; 32]);
    one.close().await;
    two.close().await;
    assert_eq!(database.storage().await.cursor_key().await.expect("read"), key, "also after a restart");

    let other = TestDatabase::start(engine).await;
    assert_ne!(other.storage().await.cursor_key().await.expect("read"), key, "every store has its own");
}

#[rstest]
#[tokio::test]
async fn a_store_that_is_closed_is_unavailable(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    storage.close().await;
    let refused = storage.check().await;
    assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing/connectors.db");
    let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display())).expect("a URL");
    let refused = SqlStorage::connect(&url, &StorageOptions::default()).await;
    let message = refused.err().expect("there is no directory").to_string();
    assert!(message.contains("missing/connectors.db"), "{message}");
}
