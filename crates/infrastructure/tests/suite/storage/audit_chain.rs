//! What the superuser of the database did to the audit is named.

use domain::audit::{AuditFilter, AuditHead, ChainFault, ChainedEntry};
use domain::connector::Connector;
use domain::page::{PageRequest, PageSize};
use domain::repository::{AuditTrail, Storage};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{act, connector_id, register, settings};

const ENTRIES: i64 = 5;

async fn with_entries(engine: Engine) -> (TestDatabase, SqlStorage) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for number in 1..=ENTRIES {
        let number = u128::try_from(number).expect("a small number");
        register(&storage, number, settings(&format!("Anlage Ö{number}"))).await.expect("registered");
    }
    (database, storage)
}

async fn fault(storage: &SqlStorage, anchor: Option<AuditHead>) -> Option<ChainFault> {
    storage.verify_chain(anchor).await.expect("whatever the rows are, it is an answer").fault
}

/// The number that is named; fails when nothing is wrong.
async fn named(storage: &SqlStorage, anchor: Option<AuditHead>) -> Option<i64> {
    fault(storage, anchor).await.expect("a fault").sequence
}

#[rstest]
#[tokio::test]
async fn se_a_5_a_trail_as_it_was_written_is_valid(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let empty = database.storage().await.verify_chain(Some(AuditHead::EMPTY)).await.expect("verified");
    assert_eq!((empty.fault, empty.entries, empty.sequence, empty.hash), (None, 0, 0, "0".repeat(64)));

    let (_database, storage) = with_entries(engine).await;
    let head = storage.audit_head().await.expect("read");
    let verified = storage.verify_chain(Some(head)).await.expect("verified");
    assert_eq!((verified.fault, verified.entries, verified.sequence), (None, ENTRIES, ENTRIES));
    assert_eq!(format!("{ENTRIES}:{}", verified.hash), head.to_string());
}

#[rstest]
#[tokio::test]
async fn se_a_5_an_edit_of_any_column_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (database, storage) = with_entries(engine).await;
    database.unlock_audit().await;
    let zeros = format!("'{}'", "0".repeat(64));
    let nobody = match engine {
        Engine::Sqlite => "'01970000-0000-7000-8000-000000000009'",
        Engine::Postgres => "'01970000-0000-7000-8000-000000000009'::uuid",
    };
    let mut edits = vec![
        ("at", "'2030-01-01T00:00:00.000000Z'"),
        ("at", "NULL"),
        ("actor", "'eve'"),
        ("actor", "NULL"),
        ("actor_type", "'System'"),
        ("actor_type", "'Nobody'"),
        ("action", "'nonsense'"),
        ("action", "'connector.deleted'"),
        ("subject", "''"),
        ("connector_id", "NULL"),
        ("connector_id", nobody),
        ("reason", "'because'"),
        ("reason", "''"),
        ("changes", "'[]'"),
        ("changes", "'no JSON'"),
        ("changes", "changes || ' '"),
        ("changes", "NULL"),
        ("correlation_id", "'corr-eve'"),
        ("correlation_id", "''"),
        ("source_address", "NULL"),
        ("source_address", "'2001:DB8::7'"),
        ("previous_hash", zeros.as_str()),
        ("hash", zeros.as_str()),
        ("hash", "'short'"),
        ("hash", "upper(hash)"),
        ("hash", "NULL"),
        ("sequence", "6"),
    ];
    match engine {
        Engine::Sqlite => edits.extend([
            ("at", "'2026-01-31T04:45:00.000001+01:00'"),
            ("actor", "x'ff'"),
            ("actor", "'a' || char(0)"),
            ("actor", "CAST(actor AS BLOB)"),
            ("changes", "CAST(changes AS BLOB)"),
            ("hash", "7"),
            ("hash", "CAST(hash AS BLOB)"),
            ("sequence", "3.2"),
        ]),
        Engine::Postgres => edits.extend([
            ("at", "'infinity'"),
            ("at", "'0044-03-15 BC'"),
            ("at", "(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00 BC')::timestamptz"),
            ("sequence", "NULL"),
        ]),
    }
    for (column, value) in edits {
        database.execute(&format!("UPDATE audit_entries SET {column} = {value} WHERE sequence = 3")).await;
        assert_eq!(named(&storage, None).await, Some(3), "{column} = {value}");
        database.restore_audit().await;
    }
    assert_eq!(fault(&storage, None).await, None);
}

#[rstest]
#[tokio::test]
async fn se_a_5_what_is_deleted_inserted_swapped_or_numbered_anew_is_named(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (database, storage) = with_entries(engine).await;
    database.unlock_audit().await;
    let columns = "at, actor, actor_type, action, subject, connector_id, reason, changes, correlation_id, \
         source_address, previous_hash, hash";
    let insert = |number: i64| {
        format!("INSERT INTO audit_entries SELECT {number}, {columns} FROM kept_audit_entries WHERE sequence = 2")
    };
    let cases = [
        ("the first is deleted", "DELETE FROM audit_entries WHERE sequence = 1".to_owned(), Some(1)),
        ("one is deleted", "DELETE FROM audit_entries WHERE sequence = 3".to_owned(), Some(3)),
        ("two are deleted", "DELETE FROM audit_entries WHERE sequence IN (2, 3)".to_owned(), Some(2)),
        ("the last is deleted", "DELETE FROM audit_entries WHERE sequence = 5".to_owned(), Some(5)),
        ("all are deleted", "DELETE FROM audit_entries".to_owned(), Some(1)),
        ("one is inserted before", insert(0), Some(0)),
        ("one is inserted far before", insert(-1_000_000), Some(-1_000_000)),
        ("one is inserted a second time", insert(2), Some(2)),
        (
            "one is inserted between",
            format!("UPDATE audit_entries SET sequence = sequence + 1 WHERE sequence > 2; {}", insert(3)),
            Some(3),
        ),
        ("one is inserted behind", insert(6), Some(6)),
        ("one is inserted far behind", insert(i64::MAX), Some(6)),
        ("one is inserted without a number", insert(7).replace("SELECT 7", "SELECT NULL"), None),
        (
            "two are swapped",
            "UPDATE audit_entries SET sequence = 7 - sequence WHERE sequence IN (3, 4)".to_owned(),
            Some(3),
        ),
        (
            "those behind are numbered anew",
            "UPDATE audit_entries SET sequence = sequence + 1 WHERE sequence > 3".to_owned(),
            Some(4),
        ),
        (
            "one is deleted and those behind moved up",
            "DELETE FROM audit_entries WHERE sequence = 2; \
             UPDATE audit_entries SET sequence = sequence - 1 WHERE sequence > 2"
                .to_owned(),
            Some(2),
        ),
        ("the end is set back", "UPDATE audit_head SET sequence = 4".to_owned(), Some(5)),
        ("the end is set forward", "UPDATE audit_head SET sequence = 6".to_owned(), Some(6)),
        ("the end has another hash", "UPDATE audit_head SET hash = 'x'".to_owned(), Some(5)),
        ("the end is deleted", "DELETE FROM audit_head".to_owned(), None),
        ("there are two ends", "INSERT INTO audit_head SELECT 2, sequence, hash FROM audit_head".to_owned(), None),
        ("the end is not where the next entry looks for it", "UPDATE audit_head SET id = 2".to_owned(), None),
        ("the end has no number", "UPDATE audit_head SET sequence = NULL".to_owned(), None),
    ];
    for (what, sql, expected) in cases {
        database.execute(&sql).await;
        let found = fault(&storage, None).await.unwrap_or_else(|| panic!("{what}: nothing is found"));
        assert_eq!(found.sequence, expected, "{what}: {}", found.problem);
        database.restore_audit().await;
    }
    assert_eq!(fault(&storage, None).await, None);
}

#[rstest]
#[tokio::test]
async fn se_a_5_a_cut_tail_and_a_chain_written_anew_show_against_an_anchor(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let (database, storage) = with_entries(engine).await;
    let anchor = Some(storage.audit_head().await.expect("read"));
    let newest_first = storage.list_entries(&AuditFilter::default(), &PageRequest::default()).await.expect("listed");
    database.unlock_audit().await;

    let cut = "DELETE FROM audit_entries WHERE sequence > 3; UPDATE audit_head SET sequence = 3, \
         hash = (SELECT hash FROM audit_entries WHERE sequence = 3)";
    database.execute(cut).await;
    assert_eq!(fault(&storage, None).await, None, "nothing in the database tells");
    assert_eq!(named(&storage, anchor).await, Some(4));
    database.restore_audit().await;

    database.execute("DELETE FROM audit_entries; UPDATE audit_head SET sequence = 0").await;
    database.execute(&format!("UPDATE audit_head SET hash = '{}'", "0".repeat(64))).await;
    assert_eq!(fault(&storage, None).await, None, "nothing in the database tells");
    assert_eq!(named(&storage, anchor).await, Some(1));
    database.restore_audit().await;

    let mut head = AuditHead::EMPTY;
    for chained in newest_first.items.into_iter().rev() {
        let mut entry = chained.entry;
        if head.sequence == 1 {
            entry.reason = Some("forged".to_owned());
        }
        let forged = ChainedEntry::append(entry, head.sequence + 1, head.hash);
        let sql = format!(
            "UPDATE audit_entries SET reason = {}, previous_hash = '{}', hash = '{}' WHERE sequence = {}",
            forged.entry.reason.as_ref().map_or("NULL".to_owned(), |reason| format!("'{reason}'")),
            hex::encode(head.hash),
            hex::encode(forged.hash),
            forged.sequence,
        );
        database.execute(&sql).await;
        head = forged.head();
    }
    database.execute(&format!("UPDATE audit_head SET hash = '{}'", hex::encode(head.hash))).await;
    assert_eq!(fault(&storage, None).await, None, "nothing in the database tells");
    assert_eq!(named(&storage, anchor).await, Some(ENTRIES));
}

/// Three hundred entries are read with several statements.
#[rstest]
#[tokio::test]
async fn se_a_5_a_long_trail_is_verified_and_handed_on_piece_by_piece(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let mut unit = storage.begin().await.expect("begun");
    for number in 1..=501 {
        let change = Connector::register(connector_id(number), settings(&format!("c{number}")), &act("ana"));
        unit.save(&change).await.expect("saved");
    }
    unit.commit().await.expect("committed");
    assert_eq!(fault(&storage, None).await, None);

    let size = PageSize::new(200).expect("a size");
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { size, after };
        let found = storage.read_entries(&AuditFilter::default(), 450, &page).await.expect("read");
        read.extend(found.items.into_iter().map(|entry| entry.sequence));
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, (1..=450).collect::<Vec<_>>());

    database.unlock_audit().await;
    for number in [1, 250, 251, 252, 500, 501] {
        database.execute(&format!("UPDATE audit_entries SET reason = 'x' WHERE sequence = {number}")).await;
        assert_eq!(named(&storage, None).await, Some(number));
        database.restore_audit().await;
        database.execute(&format!("DELETE FROM audit_entries WHERE sequence = {number}")).await;
        assert_eq!(named(&storage, None).await, Some(number));
        database.restore_audit().await;
        database
            .execute(&format!("INSERT INTO audit_entries SELECT * FROM kept_audit_entries WHERE sequence = {number}"))
            .await;
        assert_eq!(named(&storage, None).await, Some(number));
        database.restore_audit().await;
    }
    database.execute("DELETE FROM audit_entries WHERE sequence BETWEEN 200 AND 499").await;
    assert_eq!(named(&storage, None).await, Some(200));
}

/// However many entries are asked for: many may be read at once, and slowly.
#[rstest]
#[tokio::test]
async fn large_entries_are_verified_and_handed_on_a_few_at_a_time(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let mut unit = storage.begin().await.expect("begun");
    for number in 1..=9 {
        let mut connector = settings(&format!("c{number}"));
        connector.description = Some("large ".repeat(if number == 9 { 500_000 } else { 80_000 }));
        let change = Connector::register(connector_id(number), connector, &act("ana"));
        unit.save(&change).await.expect("saved");
    }
    unit.commit().await.expect("committed");
    assert_eq!(fault(&storage, None).await, None);
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { size: PageSize::default(), after };
        let found = storage.read_entries(&AuditFilter::default(), 9, &page).await.expect("read");
        read.push(found.items.into_iter().map(|entry| entry.sequence).collect::<Vec<_>>());
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, [vec![1, 2], vec![3, 4], vec![5, 6], vec![7, 8], vec![9]]);
    database.unlock_audit().await;
    for number in [2, 3, 9] {
        database.execute(&format!("UPDATE audit_entries SET reason = 'x' WHERE sequence = {number}")).await;
        assert_eq!(named(&storage, None).await, Some(number));
        database.restore_audit().await;
    }
}

/// Also a filter that the contract does not have, and text that PostgreSQL cannot.
#[rstest]
#[tokio::test]
async fn entries_are_handed_on_as_they_are_stored(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (_database, storage) = with_entries(engine).await;
    let listed = storage.list_entries(&AuditFilter::default(), &PageRequest::default()).await.expect("listed");
    let page = PageRequest::default();
    let read = storage.read_entries(&AuditFilter::default(), i64::MAX, &page).await.expect("read");
    for (stored, chained) in read.items.iter().rev().zip(&listed.items) {
        assert_eq!(stored.hash, Some(hex::encode(stored.hash_behind(&chained.previous_hash))));
        assert_eq!((stored.sequence, stored.hash.as_deref()), (chained.sequence, Some(&*hex::encode(chained.hash))));
    }
    for (filter, expected) in [
        (AuditFilter { connector_id: Some(connector_id(2)), ..AuditFilter::default() }, 1),
        (AuditFilter { actor: Some("ana".to_owned()), ..AuditFilter::default() }, 5),
        (AuditFilter { actor: Some("a\0".to_owned()), ..AuditFilter::default() }, 0),
    ] {
        let found = storage.read_entries(&filter, i64::MAX, &page).await.expect("read");
        assert_eq!(found.items.len(), expected, "{filter:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn se_a_5_a_trail_that_grows_meanwhile_is_valid(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let (_database, storage) = with_entries(engine).await;
    let writer = storage.clone();
    let writing = tokio::spawn(async move {
        for number in 100..160 {
            register(&writer, number, settings(&format!("c{number}"))).await.expect("registered");
        }
    });
    let mut verified = 0;
    while !writing.is_finished() {
        assert_eq!(fault(&storage, None).await, None);
        verified += 1;
    }
    writing.await.expect("written");
    assert!(verified > 1, "{verified}");
    assert_eq!(storage.audit_head().await.expect("read").sequence, ENTRIES + 60);
}
