//! A database of one test.

use infrastructure::storage::{DatabaseUrl, SqlStorage, StorageOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::PostgresServer;
use crate::postgres;

/// Where a running PostgreSQL is, as a superuser of a database for maintenance.
const POSTGRES: &str = "TEST_POSTGRES_URL";

/// An engine that the store runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say all")]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// An empty database of its own. It is removed when this is dropped, also by a test that fails.
pub struct TestDatabase {
    url: String,
    home: Home,
}

enum Home {
    Directory { _removed_on_drop: TempDir },
    Server { maintenance_url: String, name: String },
}

impl TestDatabase {
    /// Creates a database.
    ///
    /// # Panics
    /// When there is no PostgreSQL: a suite that skips an engine says nothing about it.
    pub async fn start(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::in_directory(),
            Engine::Postgres => Self::create(maintenance_url()).await,
        }
    }

    fn in_directory() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("connectors.db").display());
        Self { url, home: Home::Directory { _removed_on_drop: directory } }
    }

    /// Creates a database on a server of the test's own.
    pub async fn on(server: &PostgresServer) -> Self {
        Self::create(server.url()).await
    }

    async fn create(maintenance_url: String) -> Self {
        let name = format!("connectors_test_{:016x}", rand::random::<u64>());
        let mut connection = PgConnection::connect(&maintenance_url).await.expect("the server of the tests");
        // `name` is made here, of hexadecimal digits.
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.expect("a database is created");
        let (server, _) = maintenance_url.rsplit_once('/').expect("a URL with a database");
        Self { url: format!("{server}/{name}"), home: Home::Server { maintenance_url, name } }
    }

    /// The URL of the database, as `database_url` takes it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A store that is open on this database and has its schema; one more at every call, like another replica.
    ///
    /// # Panics
    /// When it cannot be opened or migrated.
    pub async fn storage(&self) -> SqlStorage {
        let storage = self.unmigrated_storage().await;
        storage.migrate().await.expect("the schema is made");
        storage
    }

    /// A store that is open on this database as it is.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn unmigrated_storage(&self) -> SqlStorage {
        let url = DatabaseUrl::parse(&self.url).expect("a database URL");
        SqlStorage::connect(&url, &StorageOptions { max_connections: 5, ..StorageOptions::default() })
            .await
            .expect("the store opens")
    }

    /// Runs statements behind the store's back, as somebody with all rights.
    ///
    /// # Panics
    /// When a statement is refused.
    pub async fn execute(&self, sql: &str) {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        match &self.home {
            Home::Directory { .. } => query.execute(&mut self.sqlite().await).await.map(drop),
            Home::Server { .. } => query.execute(&mut self.postgres().await).await.map(drop),
        }
        .expect(sql);
    }

    /// Runs a statement as somebody with all rights, which must be refused all the same; answers why.
    ///
    /// # Panics
    /// When it is not refused.
    pub async fn refusal(&self, sql: &str) -> String {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        let refused = match &self.home {
            Home::Directory { .. } => query.execute(&mut self.sqlite().await).await.map(drop),
            Home::Server { .. } => query.execute(&mut self.postgres().await).await.map(drop),
        };
        refused.expect_err(sql).to_string()
    }

    /// Lets anything be written to the audit, as whoever owns its tables can: copies take their places, without triggers
    /// and without rules for columns.
    pub async fn unlock_audit(&self) {
        for table in ["audit_entries", "audit_head"] {
            let sql = format!(
                "ALTER TABLE {table} RENAME TO kept_{table}; CREATE TABLE {table} AS SELECT * FROM kept_{table}"
            );
            self.execute(&sql).await;
        }
    }

    /// Makes the unlocked audit what it was.
    pub async fn restore_audit(&self) {
        let restore = |table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};");
        self.execute(&["audit_entries", "audit_head"].map(restore).concat()).await;
    }

    /// Runs statements on the database of PostgreSQL at this URL.
    ///
    /// # Panics
    /// When a statement is refused.
    pub async fn execute_at(url: &str, sql: &str) {
        let mut connection = PgConnection::connect(url).await.expect("the database on the server");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect(sql);
    }

    /// The rows that a query finds behind the store's back, every value as text; NULL is `-`.
    ///
    /// # Panics
    /// When the query is refused, or answers with other values than text.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        match &self.home {
            Home::Directory { .. } => {
                let rows = query.fetch_all(&mut self.sqlite().await).await.expect(sql);
                rows.iter().map(|row| (0..row.len()).map(|column| text(row.get_unchecked(column))).collect()).collect()
            }
            Home::Server { .. } => {
                let rows = query.fetch_all(&mut self.postgres().await).await.expect(sql);
                rows.iter().map(|row| (0..row.len()).map(|column| text(row.get_unchecked(column))).collect()).collect()
            }
        }
    }

    /// What somebody has who gets hold of the database: of SQLite every byte of its files, of PostgreSQL what `pg_dump`
    /// writes.
    ///
    /// # Panics
    /// When there is nothing to be had.
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        match &self.home {
            Home::Directory { .. } => {
                let path = self.url.strip_prefix("sqlite://").expect("a file");
                let mut bytes = std::fs::read(path).expect("the file of the database");
                // These are there only while somebody has it open.
                for suffix in ["-wal", "-shm", "-journal"] {
                    bytes.extend(std::fs::read(format!("{path}{suffix}")).unwrap_or_default());
                }
                bytes
            }
            Home::Server { .. } => postgres::dump(&self.url),
        }
    }

    async fn sqlite(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.url).await.expect("the file of the database")
    }

    async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the database on the server")
    }
}

fn text(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn maintenance_url() -> String {
    std::env::var(POSTGRES).unwrap_or_else(|_| panic!("{POSTGRES} is not set; run the tests with `bash .ci/test`"))
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Home::Server { maintenance_url, name } = &self.home else { return };
        let (url, sql) = (maintenance_url.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // A thread and a runtime of its own: the test's is busy with this drop, or ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await
            })
        });
        // A server that a test has stopped has no databases to drop, and a second panic would hide the first.
        let _unreachable = dropped.join();
    }
}
