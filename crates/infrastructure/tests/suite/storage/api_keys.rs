use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::access::{Role, Scope};
use domain::api_key::{ApiKey, KeyDigest, KeyName, digest, spell};
use domain::audit::{Action, AuditFilter};
use domain::error::StorageError;
use domain::id::ApiKeyId;
use domain::page::PageRequest;
use domain::repository::{ApiKeyRepository, AuditTrail, Storage, StorageResult};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};
use uuid::Uuid;

use super::samples::{act, connector_id, moment, register, settings};

fn digest_of(number: u8) -> KeyDigest {
    digest(&spell(&[number; 32])).expect("a key")
}

fn key(number: u8, name: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(Uuid::from_u128(number.into())),
        name: KeyName::parse(name).expect("a name"),
        role: Role::Operator,
        scope: Scope::All,
        digest: digest_of(number),
        created: act("ana").stamp(),
        expires_at: None,
        revoked: None,
    }
}

async fn create(storage: &SqlStorage, key: ApiKey) -> StorageResult<()> {
    let mut unit = storage.begin().await?;
    unit.save_key(&key.create(&act("ana"))).await?;
    unit.commit().await
}

#[rstest]
#[tokio::test]
async fn a_key_is_found_by_its_digest_as_it_was_made(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for number in 1..=3 {
        register(&storage, number, settings(&format!("Connector {number}"))).await.expect("registered");
    }
    let scopes =
        [Scope::All, Scope::Only(BTreeSet::new()), Scope::Only(BTreeSet::from([connector_id(3), connector_id(1)]))];
    for (number, scope) in (1..).zip(scopes) {
        let expires_at = Some(moment(0) + TimeDelta::days(number.into()));
        let made = ApiKey { scope, expires_at, role: Role::Service, ..key(number, &format!("esg-{number}")) };
        create(&storage, made.clone()).await.expect("created");
        assert_eq!(storage.find_key(&digest_of(number)).await.expect("read"), Some(made));
    }
    assert_eq!(storage.find_key(&digest_of(9)).await.expect("read"), None);
}

#[rstest]
#[tokio::test]
async fn a_name_is_free_again_once_its_key_is_revoked(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    create(&storage, key(1, "esg")).await.expect("created");
    let taken = create(&storage, key(2, "esg")).await;
    assert!(matches!(taken, Err(StorageError::NameTaken)), "{taken:?}");

    let mut unit = storage.begin().await.expect("begun");
    let current = unit.key("esg").await.expect("read").expect("found");
    let change = current.clone().revoke(&act("bob")).expect("a change");
    unit.save_key(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    let revoked = change.key().clone();
    assert_eq!(revoked.revoked, Some(act("bob").stamp()));
    assert_eq!(storage.find_key(&digest_of(1)).await.expect("read"), Some(revoked.clone()));

    // Somebody who read the key before it was revoked.
    let mut unit = storage.begin().await.expect("begun");
    assert_eq!(unit.key("esg").await.expect("read"), None);
    let late = unit.save_key(&current.revoke(&act("eve")).expect("a change")).await;
    assert!(matches!(late, Err(StorageError::Stale)), "{late:?}");
    drop(unit);

    create(&storage, key(3, "esg")).await.expect("the name is free");
    create(&storage, key(4, "Zulu")).await.expect("created");
    let listed = storage.list_keys().await.expect("listed");
    assert_eq!(listed, [key(4, "Zulu"), revoked, key(3, "esg")], "by name and age");
    let page = storage.list_entries(&AuditFilter::default(), &PageRequest::default()).await.expect("listed");
    let actions: Vec<Action> = page.items.iter().map(|link| link.entry.action).collect();
    assert_eq!(actions, [Action::KeyCreated, Action::KeyCreated, Action::KeyRevoked, Action::KeyCreated]);
}

#[rstest]
#[tokio::test]
async fn a_key_that_cannot_be_read_is_named(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    create(&storage, key(1, "esg")).await.expect("created");
    database.execute("UPDATE api_keys SET name = 'not a name'").await;
    match storage.find_key(&digest_of(1)).await {
        Err(StorageError::Failed { context, .. }) => {
            assert_eq!(context, format!("reading api_keys {}", key(1, "esg").id));
        }
        other => panic!("{other:?}"),
    }
}
