//! Reading the trail as it is stored, for those who judge it: every column as text, whatever is in it.

use domain::audit::{AuditFilter, AuditHead, ChainFault, ChainVerifier, StoredEntry, StoredHead, Verification};
use domain::page::{Page, PageRequest};
use domain::repository::StorageResult;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::storage::conditions::Value;
use crate::storage::engine::{Session, fetch, only};
use crate::storage::rows::{Stored, Unreadable};

/// How many numbers are looked at with one statement.
const STRIDE: i64 = 250;

/// How many bytes of changes are in memory at once, as far as one entry does not have more: it can be as large as a
/// connector's configuration twice. Who reads is counted in connections, and each may read slowly.
const VOLUME: i64 = 1024 * 1024;

/// One more than the stride: where a number stands there twice, that is seen before the limit. Ordered by the column of
/// the table, whose name the cast has, too.
macro_rules! within_a_stride {
    ($select:expr) => {
        concat!($select, " WHERE sequence >= $1 AND sequence < $2 ORDER BY audit_entries.sequence LIMIT 251")
    };
}

/// Where a cast of the number hides that it is none, it stands beside it.
macro_rules! select {
    ($texts:literal) => {
        concat!(
            "SELECT CAST(sequence AS BIGINT) AS sequence, sequence AS number, ",
            $texts,
            ", reason, changes, correlation_id, source_address, previous_hash, hash FROM audit_entries"
        )
    };
}

/// A year before Christ has the digits of another one.
macro_rules! select_of_postgres {
    () => {
        select!(
            "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || \
             CASE WHEN isfinite(at) AND at < '0001-01-01T00:00:00Z' THEN ' BC' ELSE '' END AS at, \
             actor, actor_type, action, subject, CAST(connector_id AS TEXT) AS connector_id"
        )
    };
}

/// Without casts: they would make text of bytes, which are none.
macro_rules! select_of_sqlite {
    () => {
        select!("at, actor, actor_type, action, subject, connector_id")
    };
}

/// What ends the trail, and how many there are; the newest is not one without a number.
const SUMMARY: &str = "SELECT CAST((SELECT count(*) FROM audit_entries) AS BIGINT) AS entries, \
     (SELECT CAST(max(sequence) AS BIGINT) FROM audit_entries) AS sequence, (SELECT CAST(hash AS TEXT) \
     FROM audit_entries WHERE sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1) AS hash";

/// Under another key it is not what the next entry follows.
const HEADS: &str = "SELECT CASE WHEN id = 1 THEN sequence END AS sequence, hash FROM audit_head";

macro_rules! volumes {
    () => {
        "SELECT CAST(sequence AS BIGINT) AS sequence, CAST(octet_length(CAST(changes AS TEXT)) AS BIGINT) AS volume \
         FROM audit_entries"
    };
}

/// How much an entry changed.
#[derive(FromRow)]
struct VolumeRow {
    sequence: i64,
    volume: Option<i64>,
}

impl Stored for VolumeRow {
    type Domain = Self;

    const TABLE: &'static str = "audit_entries";
    const KEY: &'static str = "sequence";

    fn read(self) -> Result<Self, Unreadable> {
        Ok(self)
    }
}

/// The number from which on entries do not fit in any more, behind the first one.
fn full_at(entries: &[VolumeRow]) -> Option<i64> {
    let first = entries.first()?.sequence;
    let mut volume = 0_i64;
    let past = entries.iter().find(|entry| {
        volume = volume.saturating_add(entry.volume.unwrap_or_default());
        volume > VOLUME && entry.sequence > first
    });
    past.map(|entry| entry.sequence)
}

struct EntryRow(StoredEntry);

impl<'r, R: Row> FromRow<'r, R> for EntryRow
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let mut unreadable = row.try_get::<i64, _>("number").is_err().then_some("sequence");
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
        let end = verifier.next().saturating_add(STRIDE);
        let volumes = fetch!(snapshot, VolumeRow, within_a_stride!(volumes!()), from, end)?;
        let rows = fetch!(snapshot, EntryRow, sql, from, full_at(&volumes).unwrap_or(end))?;
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
    let volumes = match query(volumes!(), filter, until, page) {
        Some((sql, values)) => fetch!(session, VolumeRow, sql; values)?,
        None => Vec::new(),
    };
    let cut = full_at(&volumes).map(|full| full.saturating_sub(1));
    let found = match query(select, filter, cut.unwrap_or(until), page) {
        Some((sql, values)) => fetch!(session, EntryRow, sql; values)?,
        None => Vec::new(),
    };
    let Page { items, next } = Page::of(found, page.size, |entry| entry.sequence);
    Ok(Page { items, next: next.or(cut) })
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
