//! From rows to the domain, through one door, so that whatever cannot be read is reported the same way.

use domain::error::StorageError;
use domain::repository::StorageResult;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::columns::Id;

/// Why a row cannot be read.
pub(super) type Unreadable = Box<dyn std::error::Error + Send + Sync>;

/// The row of a table, or the part of it that a query asks for.
pub(super) trait Stored: Sized {
    /// What it is outside.
    type Domain;

    /// The table, for messages.
    const TABLE: &'static str;

    /// The column that names a row in messages.
    const KEY: &'static str;

    /// Reads the row through the domain's own constructors: what they would refuse is not let in from here either.
    fn read(self) -> Result<Self::Domain, Unreadable>;
}

/// Reads rows.
///
/// # Errors
/// [`StorageError::Failed`] that names the table and the first row that cannot be read.
pub(super) fn read_all<'r, R, S>(rows: &'r [R]) -> StorageResult<Vec<S::Domain>>
where
    R: Row,
    S: Stored + FromRow<'r, R>,
    &'static str: ColumnIndex<R>,
    Id: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    rows.iter()
        .map(|row| {
            S::from_row(row).map_err(Into::into).and_then(S::read).map_err(|cause: Unreadable| StorageError::Failed {
                context: format!("reading {} {}", S::TABLE, name(row, S::KEY)),
                source: Some(cause),
            })
        })
        .collect()
}

fn name<'r, R>(row: &'r R, key: &'static str) -> String
where
    R: Row,
    &'static str: ColumnIndex<R>,
    Id: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let id = row.try_get::<Id, _>(key).map(|id| id.0.to_string());
    id.or_else(|_| row.try_get::<i64, _>(key).map(|number| number.to_string()))
        .unwrap_or_else(|_| "(unnamed)".to_owned())
}

/// The value of a column that has a closed set of them.
pub(super) fn known<T>(parsed: Option<T>, column: &'static str) -> Result<T, Unreadable> {
    parsed.ok_or_else(|| format!("column {column} has a value that this version does not know").into())
}
