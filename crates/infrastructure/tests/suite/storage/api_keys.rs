use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::access::{Role, Scope};
use domain::api_key::{ApiKey, KeyDigest, KeyFilter, KeyName, KeyStatus, digest, spell};
use domain::audit::{Action, AuditFilter};
use domain::error::StorageError;
use domain::id::ApiKeyId;
use domain::page::{PageRequest, PageSize};
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
        last_used_at: None,
    }
}

async fn listed(storage: &SqlStorage, filter: &KeyFilter) -> Vec<ApiKey> {
    storage.list_keys(filter, moment(0), &PageRequest::default()).await.expect("listed").items
}

async fn create(storage: &SqlStorage, key: ApiKey) -> StorageResult<()> {
    let mut unit = storage.begin().await?;
    unit.save_key(&key.create(None, &act("ana"))).await?;
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
    let change = current.clone().revoke(Some("leaked".to_owned()), &act("bob")).expect("a change");
    unit.save_key(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    let revoked = change.key().clone();
    assert_eq!(revoked.revoked, Some(act("bob").stamp()));
    assert_eq!(storage.find_key(&digest_of(1)).await.expect("read"), Some(revoked.clone()));

    // Somebody who read the key before it was revoked.
    let mut unit = storage.begin().await.expect("begun");
    assert_eq!(unit.key("esg").await.expect("read"), None);
    let late = unit.save_key(&current.revoke(None, &act("eve")).expect("a change")).await;
    assert!(matches!(late, Err(StorageError::Stale)), "{late:?}");
    drop(unit);

    create(&storage, key(3, "esg")).await.expect("the name is free");
    create(&storage, key(4, "Zulu")).await.expect("created");
    assert_eq!(listed(&storage, &KeyFilter::default()).await, [key(4, "Zulu"), key(3, "esg"), revoked]);
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

#[rstest]
#[tokio::test]
async fn keys_are_listed_by_every_filter_and_page_by_page(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register(&storage, 1, settings("Connector")).await.expect("registered");
    let bound = Scope::Only(BTreeSet::from([connector_id(1)]));
    let ends_in = |seconds| Some(moment(0) + TimeDelta::seconds(seconds));
    let keys = [
        key(1, "one"),
        ApiKey { role: Role::Service, scope: bound, ..key(2, "two") },
        ApiKey { expires_at: ends_in(1), ..key(3, "three") },
        ApiKey { expires_at: ends_in(0), ..key(4, "four") },
        key(5, "five"),
    ];
    for key in keys {
        create(&storage, key).await.expect("created");
    }
    let mut unit = storage.begin().await.expect("begun");
    let five = ApiKeyId::new(Uuid::from_u128(5));
    let current = unit.key_of_id(five).await.expect("read").expect("found");
    unit.save_key(&current.revoke(None, &act("bob")).expect("a change")).await.expect("saved");
    unit.commit().await.expect("committed");
    let found = storage.find_key_of_id(five).await.expect("read").expect("found");
    assert_eq!(found.revoked, Some(act("bob").stamp()));

    let all = KeyFilter::default();
    for (filter, expected) in [
        (all.clone(), &["five", "four", "three", "two", "one"][..]),
        (KeyFilter { name: Some("two".to_owned()), ..all.clone() }, &["two"]),
        (KeyFilter { role: Some(Role::Service), ..all.clone() }, &["two"]),
        (KeyFilter { status: Some(KeyStatus::Active), ..all.clone() }, &["three", "two", "one"]),
        (KeyFilter { status: Some(KeyStatus::Expired), ..all.clone() }, &["four"]),
        (KeyFilter { status: Some(KeyStatus::Revoked), ..all.clone() }, &["five"]),
        (KeyFilter { connector_id: Some(connector_id(1)), ..all.clone() }, &["two"]),
        (KeyFilter { connector_id: Some(connector_id(2)), ..all.clone() }, &[]),
        (KeyFilter { role: Some(Role::Service), status: Some(KeyStatus::Revoked), ..all.clone() }, &[]),
        (KeyFilter { name: Some("\0".to_owned()), ..all.clone() }, &[]),
    ] {
        let names: Vec<_> = listed(&storage, &filter).await.iter().map(|key| key.name.as_str().to_owned()).collect();
        assert_eq!(names, expected, "{filter:?}");
    }

    let mut request = PageRequest { size: PageSize::new(2).expect("a size"), after: None };
    let mut names = Vec::new();
    loop {
        let page = storage.list_keys(&all, moment(0), &request).await.expect("listed");
        assert!(page.items.len() <= 2);
        names.extend(page.items.iter().map(|key| key.name.as_str().to_owned()));
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["five", "four", "three", "two", "one"]);
}

#[rstest]
#[tokio::test]
async fn se_a_2_the_last_use_only_goes_forward(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for number in 1..=3 {
        create(&storage, key(number, &format!("key-{number}"))).await.expect("created");
    }
    let id = |number: u128| ApiKeyId::new(Uuid::from_u128(number));
    storage.record_key_uses(&[(id(2), moment(5)), (id(1), moment(7))]).await.expect("written");
    // Another replica, which saw one earlier and one later, and a key that nobody has.
    let late = [(id(1), moment(6)), (id(2), moment(8)), (id(9), moment(9))];
    database.storage().await.record_key_uses(&late).await.expect("written");
    storage.record_key_uses(&[]).await.expect("nothing to write");
    let uses: Vec<_> = listed(&storage, &KeyFilter::default()).await.iter().map(|key| key.last_used_at).collect();
    assert_eq!(uses, [None, Some(moment(8)), Some(moment(7))]);
}

#[rstest]
#[tokio::test]
async fn replicas_write_the_uses_of_the_same_keys_side_by_side(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    for number in 1..=50 {
        create(&storage, key(number, &format!("key-{number}"))).await.expect("created");
    }
    let one: Vec<_> = (1..=50_u128).map(|number| (ApiKeyId::new(Uuid::from_u128(number)), moment(1))).collect();
    let other: Vec<_> = one.iter().rev().copied().collect();
    let replica = database.storage().await;
    for _ in 0..5 {
        let (here, there) = tokio::join!(storage.record_key_uses(&one), replica.record_key_uses(&other));
        here.expect("written");
        there.expect("written");
    }
}
