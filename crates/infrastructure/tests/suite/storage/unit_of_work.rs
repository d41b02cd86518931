use std::time::Duration;

use domain::audit::{AuditFilter, ChainedEntry, GENESIS};
use domain::connector::Connector;
use domain::error::StorageError;
use domain::page::{PageRequest, PageSize};
use domain::repository::{AuditTrail, ConnectorRepository, Storage};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};
use tokio::task::JoinSet;

use super::samples::{act, connector_id, register, settings};

async fn entries(storage: &SqlStorage) -> Vec<ChainedEntry> {
    let request = PageRequest { size: PageSize::new(200).expect("a size"), after: None };
    let page = storage.list_entries(&AuditFilter::default(), &request).await.expect("listed");
    assert_eq!(page.next, None);
    page.items.into_iter().rev().collect()
}

#[rstest]
#[tokio::test]
async fn a_unit_of_work_that_is_dropped_leaves_nothing(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&Connector::register(connector_id(1), settings("One"), &act("ana"))).await.expect("saved");
    drop(unit);

    assert!(!storage.connector_was_known(connector_id(1)).await.expect("read"));
    assert_eq!(entries(&storage).await, []);
    // Nor does it take a number of the audit, or keep anything locked.
    register(&storage, 2, settings("One")).await.expect("registered");
    assert_eq!(entries(&storage).await[0].sequence, 1);
}

#[rstest]
#[tokio::test]
async fn a_change_and_its_audit_entry_are_written_together_or_not_at_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let mut unit = storage.begin().await.expect("begun");
    let change = Connector::register(connector_id(1), settings("One"), &act("ana"));
    unit.save(&change).await.expect("saved");
    assert_eq!(entries(&storage).await, [], "nobody else sees it before the commit");
    unit.commit().await.expect("committed");
    let written = entries(&storage).await;
    assert_eq!(written.len(), 1);
    assert_eq!(&written[0].entry, change.entry());

    // The audit cannot be written: the change must not be either, even when the caller commits regardless.
    database.execute("ALTER TABLE audit_entries RENAME TO gone").await;
    let mut unit = storage.begin().await.expect("begun");
    let refused = unit.save(&Connector::register(connector_id(2), settings("Two"), &act("ana"))).await;
    assert!(matches!(refused, Err(StorageError::Failed { .. })), "{refused:?}");
    let committed = unit.commit().await;
    assert!(matches!(committed, Err(StorageError::Failed { .. })), "{committed:?}");
    assert!(!storage.connector_was_known(connector_id(2)).await.expect("read"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writers_make_one_chain_without_gaps(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let replicas = [database.storage().await, database.storage().await];
    let mut writers = JoinSet::new();
    for number in 0..20 {
        let storage = replicas[usize::try_from(number % 2).expect("0 or 1")].clone();
        writers.spawn(async move {
            for round in 0..5 {
                let name = format!("connector {number} {round}");
                // Every third one is given up: its number must go to somebody else.
                let mut unit = storage.begin().await.expect("begun");
                let change = Connector::register(connector_id(number * 100 + round), settings(&name), &act("ana"));
                unit.save(&change).await.expect("saved");
                if (number + round) % 3 != 0 {
                    unit.commit().await.expect("committed");
                }
            }
        });
    }
    writers.join_all().await;

    let chain = entries(&replicas[0]).await;
    assert!(chain.len() > 60, "{}", chain.len());
    let mut previous = GENESIS;
    for (sequence, link) in (1..).zip(chain) {
        assert_eq!(link, ChainedEntry::append(link.entry.clone(), sequence, previous));
        previous = link.hash;
    }
}

#[rstest]
#[tokio::test]
async fn a_connector_is_held_against_other_changes(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let (storage, replica) = (database.storage().await, database.storage().await);
    let id = register(&storage, 1, settings("One")).await.expect("registered").id;

    let mut first = storage.begin().await.expect("begun");
    let read = first.connector(id).await.expect("read").expect("found");
    let mut second = tokio::spawn(async move {
        let mut unit = replica.begin().await.expect("begun");
        let seen = unit.connector(id).await.expect("read").expect("found");
        let change = seen.disable(None, &act("bob")).expect("it is enabled by now");
        unit.save(&change).await.expect("not stale");
        unit.commit().await.expect("committed");
    });
    let ahead = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(ahead.is_err(), "the second change waits for the first");
    first.save(&read.enable(None, &act("ana")).expect("a change")).await.expect("saved");
    first.commit().await.expect("committed");
    second.await.expect("the second change saw the first");
    assert_eq!(storage.find_connector(id).await.expect("read").expect("found").version, 3);
}
