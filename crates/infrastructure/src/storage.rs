//! The store, for both engines: `SQLite` embedded, PostgreSQL for many replicas. A file per port, one SQL text for both
//! (`docs/adr/0003-one-sql-text-two-engines.md`).

mod api_key;
mod audit;
mod columns;
mod conditions;
mod connector;
mod engine;
mod failure;
mod idempotency;
mod integration_log;
mod journal;
mod leases;
mod migrations;
mod options;
#[cfg(test)]
mod plans;
mod rate_limit;
mod retention;
mod rows;
mod statistics;
mod unit_of_work;
mod url;

use async_trait::async_trait;
use domain::repository::{Storage, StorageResult, UnitOfWork};
use sqlx::FromRow;

use self::columns::Digest;
use self::engine::{Pool, fetch, only};
use self::journal::Journal;
pub use self::options::StorageOptions;
use self::rows::{Stored, Unreadable};
use self::unit_of_work::SqlUnitOfWork;
pub use self::url::{DatabaseUrl, InvalidDatabaseUrl};

/// The store on either engine. Clones share their connections.
#[derive(Clone)]
pub struct SqlStorage {
    pool: Pool,
    journal: Journal,
}

impl SqlStorage {
    /// Opens the store. The file of an embedded store is created when it is missing, its directory is not; PostgreSQL
    /// is first connected to when it is needed, so that the service can start before it and outlive it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn connect(url: &DatabaseUrl, options: &StorageOptions) -> StorageResult<Self> {
        let pool = options.open(url).await?;
        let journal = Journal::start(options.journal_writer(url, &pool));
        Ok(Self { pool, journal })
    }

    /// Brings the schema to this version; does nothing when it has it. Replicas may do it at the same time.
    ///
    /// # Errors
    /// The store is away, was migrated by a newer version, or refused a statement.
    pub async fn migrate(&self) -> StorageResult<()> {
        migrations::migrate(&self.pool).await
    }

    /// Closes all connections, after the work under way on them; whatever is asked later is refused as unavailable.
    pub async fn close(&self) {
        self.journal.close().await;
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Sqlite { writer, readers } => {
                // The last connection to go moves the write-ahead log into the file, which readers cannot.
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

#[derive(FromRow)]
struct InstallationRow {
    cursor_key: Digest,
}

impl Stored for InstallationRow {
    type Domain = [u8; 32];

    const TABLE: &'static str = "installation";
    const KEY: &'static str = "id";

    fn read(self) -> Result<[u8; 32], Unreadable> {
        Ok(self.cursor_key.0)
    }
}

#[async_trait]
impl Storage for SqlStorage {
    async fn begin(&self) -> StorageResult<Box<dyn UnitOfWork>> {
        Ok(Box::new(SqlUnitOfWork::new(self.pool.transaction().await?)))
    }

    async fn check(&self) -> StorageResult<()> {
        self.journal.check()?;
        migrations::check(&self.pool).await
    }

    async fn cursor_key(&self) -> StorageResult<[u8; 32]> {
        let sql = "SELECT cursor_key FROM installation WHERE id = 1";
        only(fetch!(&mut self.pool.reader().await?, InstallationRow, sql)?, InstallationRow::TABLE)
    }
}
