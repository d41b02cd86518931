//! The schema: migrations that are compiled in, and the check that the store has them.

use domain::error::StorageError;
use domain::repository::StorageResult;
use sqlx::FromRow;
use sqlx::migrate::{MigrateError, Migrator};

use super::engine::{Pool, fetch, only};
use super::failure::{is_missing_table, storage_error};
use super::rows::{Stored, Unreadable};

static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

#[derive(FromRow)]
struct VersionRow {
    version: Option<i64>,
}

impl Stored for VersionRow {
    type Domain = i64;

    const TABLE: &'static str = "_sqlx_migrations";
    const KEY: &'static str = "version";

    fn read(self) -> Result<i64, Unreadable> {
        Ok(self.version.unwrap_or_default())
    }
}

/// Brings the schema to this version; does nothing when it has it. Replicas may do it at the same time.
pub(super) async fn migrate(pool: &Pool) -> StorageResult<()> {
    match pool {
        Pool::Postgres(pool) => {
            let mut connection = pool.acquire().await.map_err(storage_error)?;
            // The next owner must not inherit the lifted limit, nor, after a failure, the lock among the migrators.
            connection.close_on_drop();
            // Building an index on millions of rows takes as long as it takes.
            let unlimited = sqlx::raw_sql("SET statement_timeout = 0").execute(&mut *connection).await;
            unlimited.map_err(storage_error)?;
            POSTGRES.run(&mut *connection).await.map_err(migration_error)
        }
        Pool::Sqlite { writer, .. } => {
            // sqlx has no lock among migrators here, so the lock of the file has to do.
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(storage_error)?;
            SQLITE.run(&mut *transaction).await.map_err(migration_error)?;
            transaction.commit().await.map_err(storage_error)
        }
    }
}

/// Whether the store answers and has at least the schema of this version.
pub(super) async fn check(pool: &Pool) -> StorageResult<()> {
    let sql = "SELECT max(version) AS version FROM _sqlx_migrations WHERE success";
    let applied = match fetch!(&mut pool.reader().await?, VersionRow, sql) {
        Ok(rows) => only(rows, VersionRow::TABLE)?,
        Err(error) if is_missing_table(&error) => 0,
        Err(error) => return Err(error),
    };
    let embedded = match pool {
        Pool::Postgres(_) => &POSTGRES,
        Pool::Sqlite { .. } => &SQLITE,
    };
    let wanted = embedded.iter().map(|migration| migration.version).max().unwrap_or_default();
    // A newer schema serves, too: migrations only add, and replicas are replaced one by one.
    if applied >= wanted {
        return Ok(());
    }
    let detail = format!("the store has schema {applied}, this version needs {wanted}: run `connectors migrate`");
    Err(StorageError::unreadable(detail))
}

fn migration_error(error: MigrateError) -> StorageError {
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => match storage_error(cause) {
            StorageError::Failed { source, .. } => failed(source),
            other => other,
        },
        other => failed(Some(Box::new(other))),
    }
}

fn failed(source: Option<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    StorageError::Failed { context: "migrating the schema".to_owned(), source }
}

#[cfg(test)]
mod tests;
