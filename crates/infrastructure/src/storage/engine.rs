//! The two engines behind one door: a [`Pool`] gives [`Session`]s, and [`fetch!`] and [`execute!`] run the same SQL text
//! with the same binds on either. Placeholders are `$1`, `$2`, …, which both engines read.

use std::future::Future;
use std::time::Duration;

use domain::error::StorageError;
use domain::repository::StorageResult;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

use super::failure::{storage_error, timed_out};

/// A statement that takes longer is given up, on the side of the service: a server that hangs cannot do it itself.
/// PostgreSQL gets one second less, so that its own answer comes first where it can.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(6);

/// The connections of one store.
#[derive(Clone)]
pub(super) enum Pool {
    /// Many writers at once.
    Postgres(PgPool),
    /// One writer: those who wait for it queue in order inside the process, instead of polling the lock of the file.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
}

impl Pool {
    /// A session that only reads.
    pub(super) async fn reader(&self) -> StorageResult<Session> {
        let link = match self {
            Self::Postgres(pool) => pool.acquire().await.map(Link::Postgres),
            Self::Sqlite { readers, .. } => readers.acquire().await.map(Link::Sqlite),
        };
        link.map(Session::new).map_err(storage_error)
    }

    /// A session that reads everything as it stands at its first statement, and holds nobody up. Dropping it ends it.
    pub(super) async fn snapshot(&self) -> StorageResult<Session> {
        let mut session = self.reader().await?;
        session.in_transaction = true;
        let statement = match self {
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Sqlite { .. } => "BEGIN",
        };
        within(session.link().control(statement)).await.map_err(storage_error)?;
        Ok(session)
    }

    /// A session whose every statement is a transaction of its own.
    pub(super) async fn writer(&self) -> StorageResult<Session> {
        let link = match self {
            Self::Postgres(pool) => pool.acquire().await.map(Link::Postgres),
            Self::Sqlite { writer, .. } => writer.acquire().await.map(Link::Sqlite),
        };
        link.map(Session::new).map_err(storage_error)
    }

    /// A session in a transaction. Dropping it undoes everything.
    pub(super) async fn transaction(&self) -> StorageResult<Session> {
        let mut session = self.writer().await?;
        session.in_transaction = true;
        // SQLite takes the write lock at once: a transaction that reads first and writes later cannot wait for it.
        let statement = match self {
            Self::Postgres(_) => "BEGIN",
            Self::Sqlite { .. } => "BEGIN IMMEDIATE",
        };
        within(session.link().control(statement)).await.map_err(storage_error)?;
        Ok(session)
    }
}

/// A connection of either engine.
pub(super) enum Link {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Link {
    async fn control(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let query = sqlx::raw_sql(statement);
        match self {
            Self::Postgres(connection) => query.execute(&mut **connection).await.map(drop),
            Self::Sqlite(connection) => query.execute(&mut **connection).await.map(drop),
        }
    }

    fn close_on_drop(&mut self) {
        match self {
            Self::Postgres(connection) => connection.close_on_drop(),
            Self::Sqlite(connection) => connection.close_on_drop(),
        }
    }

    async fn return_to_pool(mut self) {
        match &mut self {
            Self::Postgres(connection) => connection.return_to_pool().await,
            Self::Sqlite(connection) => connection.return_to_pool().await,
        }
    }
}

/// A borrowed connection, perhaps in a transaction.
pub(super) struct Session {
    link: Option<Link>,
    in_transaction: bool,
}

impl Session {
    fn new(link: Link) -> Self {
        Self { link: Some(link), in_transaction: false }
    }

    /// Whether PostgreSQL is behind it.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.link, Some(Link::Postgres(_)))
    }

    /// The connection.
    pub(super) fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("the connection is taken by `drop` alone")
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> StorageResult<()> {
        within(self.link().control("COMMIT")).await.map_err(storage_error)?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Session {
    /// A transaction is rolled back. Then sqlx asks the connection whether it still is one before it goes back to its
    /// pool, and would wait for the answer as long as a dead network keeps it waiting, until no connection is left: so
    /// the wait ends here, and the connection with it.
    fn drop(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        let in_transaction = self.in_transaction;
        tokio::spawn(async move {
            if in_transaction && within(link.control("ROLLBACK")).await.is_err() {
                link.close_on_drop();
                return;
            }
            let _late = tokio::time::timeout(STATEMENT_TIMEOUT, link.return_to_pool()).await;
        });
    }
}

/// Waits for a statement no longer than [`STATEMENT_TIMEOUT`].
pub(super) async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT_TIMEOUT, statement).await.unwrap_or_else(|_| Err(timed_out()))
}

/// What is stored exactly once, such as the head of the audit chain.
pub(super) fn only<T>(mut rows: Vec<T>, table: &'static str) -> StorageResult<T> {
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(StorageError::unreadable(format!("{table} must have exactly one row"))),
    }
}

/// Runs a query on a `&mut Session`; answers the rows, read as the given [`super::rows::Stored`]. The binds are
/// listed, or follow a `;` as one collection of [`super::conditions::Value`] for a text from
/// [`super::conditions::Conditions`].
macro_rules! fetch {
    ($session:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::storage::engine::fetch!(@run $session, $row, sqlx::query($sql)$(.bind($bind))*)
    };
    ($session:expr, $row:ty, $sql:expr; $binds:expr) => {
        // The text is put together from literals alone; see `Conditions`.
        $crate::storage::engine::fetch!(@run $session, $row, $binds.into_iter().fold(
            sqlx::query(sqlx::AssertSqlSafe($sql)),
            |query, bind| query.bind(bind),
        ))
    };
    (@run $session:expr, $row:ty, $query:expr) => {{
        use $crate::storage::engine::{Link, Session, within};
        use $crate::storage::failure::storage_error;
        use $crate::storage::rows::read_all;

        let session: &mut Session = $session;
        match session.link() {
            Link::Postgres(connection) => {
                let rows = within($query.fetch_all(&mut **connection)).await;
                rows.map_err(storage_error).and_then(|rows| read_all::<_, $row>(&rows))
            }
            Link::Sqlite(connection) => {
                let rows = within($query.fetch_all(&mut **connection)).await;
                rows.map_err(storage_error).and_then(|rows| read_all::<_, $row>(&rows))
            }
        }
    }};
}

/// Runs a statement on a `&mut Session`; answers how many rows it touched.
macro_rules! execute {
    ($session:expr, $sql:expr $(, $bind:expr)* $(,)?) => {{
        use $crate::storage::engine::{Link, Session, within};

        let session: &mut Session = $session;
        let touched = match session.link() {
            Link::Postgres(connection) => {
                within(sqlx::query($sql)$(.bind($bind))*.execute(&mut **connection)).await.map(|done| done.rows_affected())
            }
            Link::Sqlite(connection) => {
                within(sqlx::query($sql)$(.bind($bind))*.execute(&mut **connection)).await.map(|done| done.rows_affected())
            }
        };
        touched.map_err($crate::storage::failure::storage_error)
    }};
}

pub(super) use {execute, fetch};
