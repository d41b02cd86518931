//! What goes wrong below, in the words of the ports. The one place that knows the engines' codes.

use domain::error::StorageError;
use sqlx::error::DatabaseError;

/// Unique violations that mean something: the constraint as PostgreSQL names it, the column as SQLite does. Every other
/// one is a mistake of ours.
const NAMES: [(&str, &str); 2] = [("connectors_name_key", "connectors.name_key"), ("api_keys_name", "api_keys.name")];

/// Classes and codes of PostgreSQL after which the same request may well succeed: the connection (08), the log-in (28,
/// 3D000), resources (53), an administrator or a crash (57P), a cancelled statement (57014), a broken disk (58), a
/// session ended for being idle (25P03), a server that has become a standby (25006), a lost race (40, 55P03).
const POSTGRES_UNAVAILABLE: [&str; 12] =
    ["08", "28", "3D000", "53", "57P", "57014", "58", "25P03", "25006", "40001", "40P01", "55P03"];

/// Primary result codes of SQLite after which the same request may well succeed: BUSY, LOCKED, READONLY, IOERR, FULL,
/// CANTOPEN, PROTOCOL.
const SQLITE_UNAVAILABLE: [i32; 7] = [5, 6, 8, 10, 13, 14, 15];

/// The error of a statement or a connection.
pub(super) fn storage_error(error: sqlx::Error) -> StorageError {
    match error {
        sqlx::Error::Database(cause) if is_taken_name(cause.as_ref()) => StorageError::NameTaken,
        sqlx::Error::Database(cause) if is_unavailable(cause.as_ref()) => {
            StorageError::Unavailable(Box::new(sqlx::Error::Database(cause)))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StorageError::Unavailable(Box::new(error)),
        other => StorageError::Failed { context: "running a statement".to_owned(), source: Some(Box::new(other)) },
    }
}

/// The error of a statement that was given up.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the statement took too long"))
}

/// Whether a table was asked for that is not there.
pub(super) fn is_missing_table(error: &StorageError) -> bool {
    let StorageError::Failed { source: Some(source), .. } = error else { return false };
    let cause = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    cause.is_some_and(|cause| cause.code().as_deref() == Some("42P01") || cause.message().starts_with("no such table"))
}

fn is_taken_name(error: &dyn DatabaseError) -> bool {
    error.is_unique_violation()
        && NAMES.iter().any(|(constraint, column)| match error.constraint() {
            Some(violated) => violated == *constraint,
            None => error.message().ends_with(column),
        })
}

fn is_unavailable(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return POSTGRES_UNAVAILABLE.iter().any(|class| code.starts_with(class));
    }
    // The low byte of an extended result code is its primary one.
    code.parse::<i32>().is_ok_and(|code| SQLITE_UNAVAILABLE.contains(&(code & 0xff)))
}
