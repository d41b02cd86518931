use chrono::TimeDelta;
use domain::access::{Actor, ActorType};
use domain::audit::{Act, AuditFilter, ChainedEntry};
use domain::connector::Connector;
use domain::error::StorageError;
use domain::page::{PageRequest, PageSize};
use domain::repository::{AuditTrail, Storage};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{connector_id, correlation, moment, settings};

/// Registers connector `number`, a second after the one before.
async fn registered(storage: &SqlStorage, number: u8, actor: Actor) -> ChainedEntry {
    let act = Act {
        actor,
        at: moment(i64::from(number) * 1_000_000),
        correlation_id: correlation(&format!("corr-{number}")),
        source_address: (number == 1).then(|| "192.0.2.7".parse().expect("an address")),
    };
    let name = format!("Anlage Ö{number}");
    let change = Connector::register(connector_id(number.into()), settings(&name), &act);
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    let newest = PageRequest { size: PageSize::new(1).expect("a size"), after: None };
    let page = storage.list_entries(&AuditFilter::default(), &newest).await.expect("listed");
    let link = page.items.into_iter().next().expect("an entry");
    assert_eq!(&link.entry, change.entry());
    link
}

async fn found(storage: &SqlStorage, filter: AuditFilter) -> Vec<i64> {
    let page = storage.list_entries(&filter, &PageRequest::default()).await.expect("listed");
    page.items.iter().map(|link| link.sequence).collect()
}

#[rstest]
#[tokio::test]
async fn entries_are_read_as_written_filtered_and_paged(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let key = Actor { name: "ana".to_owned(), kind: ActorType::ApiKey };
    for (number, actor) in [(1, key), (2, Actor::local()), (3, Actor::local())] {
        let link = registered(&storage, number, actor).await;
        assert_eq!(link, ChainedEntry::append(link.entry.clone(), number.into(), link.previous_hash));
    }

    let none = AuditFilter::default;
    assert_eq!(found(&storage, none()).await, [3, 2, 1], "the newest first");
    assert_eq!(found(&storage, AuditFilter { connector_id: Some(connector_id(2)), ..none() }).await, [2]);
    assert_eq!(found(&storage, AuditFilter { actor: Some("local".to_owned()), ..none() }).await, [3, 2]);
    assert_eq!(
        found(&storage, AuditFilter { action: Some("connector.created".to_owned()), ..none() }).await,
        [3, 2, 1]
    );
    assert_eq!(found(&storage, AuditFilter { action: Some("record.approved".to_owned()), ..none() }).await, [0; 0]);
    assert_eq!(found(&storage, AuditFilter { correlation_id: Some(correlation("corr-1")), ..none() }).await, [1]);
    let second = moment(2_000_000);
    assert_eq!(found(&storage, AuditFilter { from: Some(second), ..none() }).await, [3, 2], "from is within");
    assert_eq!(found(&storage, AuditFilter { to: Some(second), ..none() }).await, [1], "to is without");
    let between = AuditFilter { from: Some(second), to: Some(second + TimeDelta::microseconds(1)), ..none() };
    assert_eq!(found(&storage, between).await, [2]);

    let size = PageSize::new(2).expect("a size");
    let first = storage.list_entries(&none(), &PageRequest { size, after: None }).await.expect("listed");
    assert_eq!(first.next, Some(2));
    let last = storage.list_entries(&none(), &PageRequest { size, after: first.next }).await.expect("listed");
    assert_eq!((last.items.len(), last.items[0].sequence, last.next), (1, 1, None));
}

#[rstest]
#[tokio::test]
async fn the_columns_are_those_of_the_contract(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let link = registered(&storage, 1, Actor::local()).await;
    let rows = database
        .rows(
            "SELECT sequence, actor, actor_type, action, subject, connector_id, reason, correlation_id, \
             source_address, previous_hash, hash FROM audit_entries",
        )
        .await;
    let id = connector_id(1).to_string();
    let hash = hex::encode(link.hash);
    let expected = [
        "1",
        "local",
        "Local",
        "connector.created",
        &format!("connectors/{id}"),
        &id,
        "-",
        "corr-1",
        "192.0.2.7",
        &"0".repeat(64),
        &hash,
    ];
    assert_eq!(rows, [expected]);
}

#[rstest]
#[tokio::test]
async fn an_entry_that_cannot_be_read_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    registered(&storage, 1, Actor::local()).await;
    database.unlock_audit().await;
    database.execute("UPDATE audit_entries SET changes = '[7]'").await;
    match storage.list_entries(&AuditFilter::default(), &PageRequest::default()).await {
        Err(StorageError::Failed { context, .. }) => assert_eq!(context, "reading audit_entries 1"),
        other => panic!("{other:?}"),
    }
}
