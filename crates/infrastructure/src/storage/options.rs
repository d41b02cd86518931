//! How the connections of a store are made.

use std::path::Path;
use std::time::Duration;

use domain::error::StorageError;
use domain::repository::StorageResult;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool};

use super::engine::{Pool, STATEMENT_TIMEOUT};
use super::failure::storage_error;
use super::journal::{Line, Writer};
use super::url::{DatabaseUrl, Place};

/// How many connections a store has, and how long is waited for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageOptions {
    /// The most connections at once; of an embedded store, the most readers beside its one writer.
    pub max_connections: u32,
    /// How long to wait for a connection before the store counts as unavailable (DU-3).
    pub acquire_timeout: Duration,
    /// How long a write to an embedded store waits for another process, such as a command, that is writing to it.
    pub busy_timeout: Duration,
    /// Whether the file of an embedded store is made when it is missing, and made ready for many readers.
    pub create_missing: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            max_connections: 20,
            acquire_timeout: Duration::from_secs(3),
            busy_timeout: Duration::from_secs(5),
            create_missing: true,
        }
    }
}

/// A connection that has been idle for longer is asked whether it still is one. Not every connection at every use: that
/// would double the round trips of a busy service.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A replica that is stopped amid a transaction must not hold the end of the audit chain against all others.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// Calls wait for the journal: it gives up sooner, so that they are told in time that the store hangs.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(3);

impl StorageOptions {
    pub(super) async fn open(&self, url: &DatabaseUrl) -> StorageResult<Pool> {
        match &url.0 {
            Place::Postgres(options) => Ok(Pool::Postgres(self.postgres(options))),
            Place::Sqlite(path) => self.sqlite(path).await,
        }
    }

    /// What the journal of calls writes with.
    pub(super) fn journal_writer(&self, url: &DatabaseUrl, pool: &Pool) -> Writer {
        match &url.0 {
            Place::Postgres(options) => Writer::Postgres(Box::new(Line::new(journal(options), self.acquire_timeout))),
            Place::Sqlite(_) => Writer::Sqlite(pool.clone()),
        }
    }

    fn postgres(&self, options: &PgConnectOptions) -> PgPool {
        let statement_timeout = STATEMENT_TIMEOUT.saturating_sub(Duration::from_secs(1));
        PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta: PoolConnectionMetadata| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(durable(options, statement_timeout))
    }

    async fn sqlite(&self, path: &Path) -> StorageResult<Pool> {
        // WAL, so that readers and the writer do not wait for each other. FULL, because WAL with NORMAL loses what was
        // acknowledged when the power fails (DU-5).
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(self.busy_timeout)
            .synchronous(SqliteSynchronous::Full);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(if self.create_missing {
                options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal)
            } else {
                options.clone()
            })
            .await
            .map_err(|error| cannot_open(path, error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .max_lifetime(None)
            .test_before_acquire(false)
            // Not opened read-only: such a connection cannot recover the log of a process that was killed.
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Pool::Sqlite { writer, readers })
    }
}

/// The options of every connection: bounded statements, and durable commits.
fn durable(options: &PgConnectOptions, statement_timeout: Duration) -> PgConnectOptions {
    options.clone().options([
        ("statement_timeout", statement_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.as_millis().to_string()),
        // Acknowledged is durable (DU-5), whatever the server's default is.
        ("synchronous_commit", "on".to_owned()),
    ])
}

/// The journal's one statement is planned once, and always by the indexes: the planner does not know how few rows a
/// group touches, and would read the whole table for them.
fn journal(options: &PgConnectOptions) -> PgConnectOptions {
    durable(options, JOURNAL_TIMEOUT).options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ])
}

/// The start is the moment to say which file it is; later messages need not.
fn cannot_open(path: &Path, error: sqlx::Error) -> StorageError {
    match storage_error(error) {
        StorageError::Unavailable(cause) => StorageError::Failed {
            context: format!("opening {}; its directory has to exist and be writable", path.display()),
            source: Some(cause),
        },
        other => other,
    }
}
