//! Reading the trail as it is stored, for those who judge it: every column as text, whatever is in it.

use domain::audit::{AuditFilter, AuditHead, ChainFault, ChainVerifier, StoredEntry, StoredHead, Verification};
use domain::page::{Page, PageRequest};
use domain::repository::StorageResult;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::storage::conditions::Value;
use crate::storage::engine::{Session, fetch, only};
use crate::storage::rows::{Stored, Unreadable};

/// How many numbers are looked at with one statement. An entry can be as large as a connector's configuration twice.
const STRIDE: i64 = 250;

/// One more than the stride: where a number stands there twice, that is seen before the limit. Ordered by the column of
/// the table, whose name the cast has, too.
macro_rules! within_a_stride {
    ($select:expr) => {
        concat!($select, " WHERE sequence >= $1 AND sequence < $2 ORDER BY audit_entries.sequence LIMIT 251")
    };
}

macro_rules! select {
    ($at:literal) => {
        concat!(
            "SELECT CAST(sequence AS BIGINT) AS sequence, ",
            $at,
            " AS at, CAST(actor AS TEXT) AS actor, CAST(actor_type AS TEXT) AS actor_type, \
             CAST(action AS TEXT) AS action, CAST(subject AS TEXT) AS subject, \
             CAST(connector_id AS TEXT) AS connector_id, CAST(reason AS TEXT) AS reason, \
             CAST(changes AS TEXT) AS changes, CAST(correlation_id AS TEXT) AS correlation_id, \
             CAST(source_address AS TEXT) AS source_address, CAST(previous_hash AS TEXT) AS previous_hash, \
             CAST(hash AS TEXT) AS hash FROM audit_entries"
        )
    };
}

macro_rules! select_of_postgres {
    () => {
        select!("to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}

macro_rules! select_of_sqlite {
    () => {
        select!("CAST(at AS TEXT)")
    };
}

/// What ends the trail, and how many there are; the newest is not one without a number.
const SUMMARY: &str = "SELECT CAST((SELECT count(*) FROM audit_entries) AS BIGINT) AS entries, \
     (SELECT CAST(max(sequence) AS BIGINT) FROM audit_entries) AS sequence, (SELECT CAST(hash AS TEXT) \
     FROM audit_entries WHERE sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1) AS hash";

const HEADS: &str = "SELECT CAST(sequence AS BIGINT) AS sequence, CAST(hash AS TEXT) AS hash FROM audit_head";

struct EntryRow(StoredEntry);

impl<'r, R: Row> FromRow<'r, R> for EntryRow
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let mut unreadable = None;
        let mut text = |column| {
            row.try_get(column).unwrap_or_else(|_| {
                unreadable.get_or_insert(column);
                None
            })
        };
        let entry = StoredEntry {
            sequence: row.try_get("sequence")?,
            at: text("at"),
            actor: text("actor"),
            actor_type: text("actor_type"),
            action: text("action"),
            subject: text("subject"),
            connector_id: text("connector_id"),
            reason: text("reason"),
            changes: text("changes"),
            correlation_id: text("correlation_id"),
            source_address: text("source_address"),
            previous_hash: text("previous_hash"),
            hash: text("hash"),
            unreadable: None,
        };
        Ok(Self(StoredEntry { unreadable, ..entry }))
    }
}

impl Stored for EntryRow {
    type Domain = StoredEntry;

    const TABLE: &'static str = "audit_entries";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<StoredEntry, Unreadable> {
        Ok(self.0)
    }
}

/// What stands at the end of the trail.
struct SummaryRow(Verification);

impl<'r, R: Row> FromRow<'r, R> for SummaryRow
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let nothing = Verification::of_nothing();
        let Some(sequence) = row.try_get::<Option<i64>, _>("sequence")? else {
            return Ok(Self(Verification { entries: row.try_get("entries")?, ..nothing }));
        };
        let hash = row.try_get::<Option<String>, _>("hash").unwrap_or_default().unwrap_or_default();
        Ok(Self(Verification { entries: row.try_get("entries")?, sequence, hash, ..nothing }))
    }
}

impl Stored for SummaryRow {
    type Domain = Verification;

    const TABLE: &'static str = "audit_entries";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<Verification, Unreadable> {
        Ok(self.0)
    }
}

struct HeadRow(StoredHead);

impl<'r, R: Row> FromRow<'r, R> for HeadRow
where
    &'static str: ColumnIndex<R>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let hash = row.try_get("hash").unwrap_or_default();
        Ok(Self(StoredHead { sequence: row.try_get("sequence").unwrap_or_default(), hash }))
    }
}

impl Stored for HeadRow {
    type Domain = StoredHead;

    const TABLE: &'static str = "audit_head";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<StoredHead, Unreadable> {
        Ok(self.0)
    }
}

/// Verifies the chain as the snapshot has it.
pub(super) async fn verify(mut snapshot: Session, anchor: Option<AuditHead>) -> StorageResult<Verification> {
    let summary = only(fetch!(&mut snapshot, SummaryRow, SUMMARY)?, SummaryRow::TABLE)?;
    let mut heads = fetch!(&mut snapshot, HeadRow, HEADS)?;
    let head = if heads.len() == 1 { heads.pop() } else { None };
    let fault = walk(&mut snapshot, ChainVerifier::new(anchor), &summary, head.as_ref()).await?;
    snapshot.commit().await?;
    Ok(Verification { fault, ..summary })
}

async fn walk(
    snapshot: &mut Session,
    mut verifier: ChainVerifier,
    summary: &Verification,
    head: Option<&StoredHead>,
) -> StorageResult<Option<ChainFault>> {
    let sql = if snapshot.is_postgres() {
        within_a_stride!(select_of_postgres!())
    } else {
        within_a_stride!(select_of_sqlite!())
    };
    // Numbers below the first would be wrong, so they are looked at as well.
    let (mut from, mut judged) = (i64::MIN, 0);
    loop {
        let rows = fetch!(snapshot, EntryRow, sql, from, verifier.next().saturating_add(STRIDE))?;
        for row in &rows {
            if let Err(fault) = verifier.accept(row) {
                return Ok(Some(fault));
            }
            judged += 1;
        }
        from = verifier.next();
        if rows.is_empty() {
            break;
        }
    }
    if summary.sequence >= from {
        // Those in between are missing, however many there are.
        let newest = StoredEntry { sequence: summary.sequence, ..StoredEntry::default() };
        return Ok(verifier.accept(&newest).err());
    }
    let fault = verifier.finish(head).err();
    let unnumbered = summary.entries - judged;
    Ok(fault.or_else(|| {
        (unnumbered != 0).then(|| ChainFault::of_the_whole(format!("{unnumbered} entries have no number")))
    }))
}

/// Entries as they are stored, the oldest first.
pub(super) async fn read(
    session: &mut Session,
    filter: &AuditFilter,
    until: i64,
    page: &PageRequest<i64>,
) -> StorageResult<Page<StoredEntry, i64>> {
    let select = if session.is_postgres() { select_of_postgres!() } else { select_of_sqlite!() };
    let found = match query(select, filter, until, page) {
        Some((sql, values)) => fetch!(session, EntryRow, sql; values)?,
        None => Vec::new(),
    };
    Ok(Page::of(found, page.size, |entry| entry.sequence))
}

fn query(
    select: &'static str,
    filter: &AuditFilter,
    until: i64,
    page: &PageRequest<i64>,
) -> Option<(String, Vec<Value>)> {
    let mut conditions = super::conditions(filter);
    conditions.add_some("sequence > ?", page.after.map(Value::Number));
    conditions.add("sequence <= ?", [Value::Number(until)]);
    // Of the table, not of the answer, where it is a cast.
    conditions.page(select, " ORDER BY audit_entries.sequence", page.size)
}
