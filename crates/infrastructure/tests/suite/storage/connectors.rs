use std::collections::BTreeSet;

use domain::access::Scope;
use domain::connector::{Capability, Connector, ConnectorDraft, ConnectorSettings, ConnectorStatus};
use domain::error::StorageError;
use domain::page::{PageRequest, PageSize};
use domain::repository::{ConnectorFilter, ConnectorPosition, ConnectorRepository, Storage};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use serde_json::json;
use test_support::{Engine, TestDatabase};

use super::samples::{act, connector_id, delete, draft, register, register_enabled, settings};

/// A configuration in which every member has a value of its own.
fn everything() -> ConnectorSettings {
    let mapping = json!({
        "recordsPath": "$.data[*]",
        "externalIdPath": "$.external_id",
        "mappings": [
            { "externalField": "zähler", "internalField": "energyKwh", "transform": "direct", "required": true },
            { "externalField": "code", "internalField": "site", "transform": "lookup",
              "transformParams": { "table": { "Z": "last", "A": "first" } }, "defaultValue": null }
        ]
    });
    ConnectorDraft {
        name: Some("Ökostrom 電力 🔌".to_owned()),
        connector_type: Some("Utilities".to_owned()),
        description: Some("line one\nline 'two' \"%_\\".to_owned()),
        endpoint_base_url: Some("https://API.example.com:8443/v1/".to_owned()),
        authentication_type: Some("ApiKey".to_owned()),
        authentication_secret_ref: Some("vault:esg/hr#key@3".to_owned()),
        authentication_settings: Some(json!({ "queryParameter": "key" })),
        capabilities: Some(vec!["webhook".to_owned(), "pull".to_owned()]),
        rate_limit_per_minute: Some(100_000.into()),
        max_retry_attempts: Some(10.into()),
        retry_delay_seconds: serde_json::from_str("0.125").ok(),
        use_exponential_backoff: Some(false),
        retry_jitter: Some("None".to_owned()),
        max_retry_delay_seconds: Some(299.into()),
        attempt_timeout_seconds: Some(59.into()),
        deadline_seconds: Some(298.into()),
        idempotency_key_header: Some("Idempotency-Key".to_owned()),
        mapping_configuration: Some(mapping),
        ..ConnectorDraft::default()
    }
    .parse()
    .expect("valid settings")
}

#[rstest]
#[tokio::test]
async fn every_member_is_read_as_it_was_written(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let registered = register(&storage, 1, everything()).await.expect("registered");
    assert_eq!(storage.find_connector(registered.id).await.expect("read"), Some(registered.clone()));

    let change = registered.enable(Some("Schlüssel 🔑 rotated".to_owned()), &act("bob")).expect("a change");
    let mut unit = storage.begin().await.expect("begun");
    unit.save(&change).await.expect("saved");
    unit.commit().await.expect("committed");
    let enabled = change.into_connector();
    assert_eq!(enabled.version, 2);
    let read = storage.find_connector(enabled.id).await.expect("read").expect("found");
    assert_eq!(read, enabled);
    // `==` of JSON objects does not look at the order of members; people do.
    assert_eq!(
        read.settings.mapping_configuration.as_json().to_string(),
        everything().mapping_configuration.as_json().to_string()
    );

    let change = read.reconfigure(settings("Plain"), &act("eve"));
    assert!(change.is_err(), "the type is fixed");
}

#[rstest]
#[tokio::test]
async fn a_name_is_taken_without_regard_to_case_until_its_connector_is_deleted(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let first = register(&storage, 1, settings("Straße Énergie")).await.expect("registered");
    let second = register(&storage, 2, settings("Other")).await.expect("registered");

    let again = register(&storage, 3, settings("STRASSE éNERGIE")).await;
    assert!(matches!(again, Err(StorageError::NameTaken)), "{again:?}");
    let renamed = second.reconfigure(settings("strasse énergie"), &act("ana")).expect("sound").expect("a change");
    let mut unit = storage.begin().await.expect("begun");
    let taken = unit.save(&renamed).await;
    assert!(matches!(taken, Err(StorageError::NameTaken)), "{taken:?}");
    drop(unit);

    delete(&storage, first).await;
    register(&storage, 4, settings("STRASSE ÉNERGIE")).await.expect("the name is free");
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_taken_is_no_taken_name(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register(&storage, 1, settings("One")).await.expect("registered");
    let again = register(&storage, 1, settings("Two")).await;
    assert!(matches!(again, Err(StorageError::Failed { .. })), "{again:?}");
}

#[rstest]
#[tokio::test]
async fn a_change_of_a_row_that_has_changed_is_stale(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let read = register(&storage, 1, settings("One")).await.expect("registered");
    let mine = read.clone().enable(None, &act("ana")).expect("a change");
    let theirs = read.clone().reconfigure(settings("Uno"), &act("bob")).expect("sound").expect("a change");

    let mut unit = storage.begin().await.expect("begun");
    unit.save(&mine).await.expect("saved");
    unit.commit().await.expect("committed");
    let mut unit = storage.begin().await.expect("begun");
    let stale = unit.save(&theirs).await;
    assert!(matches!(stale, Err(StorageError::Stale)), "{stale:?}");
    drop(unit);
    assert_eq!(storage.find_connector(read.id).await.expect("read"), Some(mine.into_connector()));
}

#[rstest]
#[tokio::test]
async fn a_deleted_connector_is_not_found_but_was_known(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let connector = register_enabled(&storage, 1, "One").await;
    let id = connector.id;
    let stale = connector.clone().disable(None, &act("ana")).expect("a change");
    delete(&storage, connector).await;

    assert_eq!(storage.find_connector(id).await.expect("read"), None);
    assert!(storage.connector_was_known(id).await.expect("read"));
    assert!(!storage.connector_was_known(connector_id(9)).await.expect("read"));
    assert_eq!(names(&storage, &ConnectorFilter::default(), &Scope::All).await, [""; 0]);
    let mut unit = storage.begin().await.expect("begun");
    assert_eq!(unit.connector(id).await.expect("read"), None);
    let refused = unit.save(&stale).await;
    assert!(matches!(refused, Err(StorageError::Stale)), "{refused:?}");
    drop(unit);
    let kept = database.rows("SELECT deleted_by, name FROM connectors").await;
    assert_eq!(kept, [["ana", "One"]]);
}

async fn names(storage: &SqlStorage, filter: &ConnectorFilter, scope: &Scope) -> Vec<String> {
    let page = storage.list_connectors(filter, scope, &PageRequest::default()).await.expect("listed");
    assert_eq!(page.next, None);
    page.items.iter().map(|connector| connector.settings.name.as_str().to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn filters_and_scope_narrow_the_list(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "b 100% Strom").await;
    let push = ConnectorDraft { capabilities: Some(vec!["push".to_owned()]), ..draft("A_1") };
    register(&storage, 2, push.parse().expect("valid")).await.expect("registered");
    let hook = ConnectorDraft {
        capabilities: Some(vec!["webhook".to_owned(), "pull".to_owned()]),
        connector_type: Some("ERP".to_owned()),
        ..draft(r"c\d")
    };
    register(&storage, 3, hook.parse().expect("valid")).await.expect("registered");

    let all = Scope::All;
    let none = ConnectorFilter::default;
    assert_eq!(names(&storage, &none(), &all).await, ["A_1", "b 100% Strom", r"c\d"]);
    for (status, found) in
        [(ConnectorStatus::Enabled, vec!["b 100% Strom"]), (ConnectorStatus::Disabled, vec!["A_1", r"c\d"])]
    {
        assert_eq!(names(&storage, &ConnectorFilter { status: Some(status), ..none() }, &all).await, found);
    }
    for (capability, found) in [
        (Capability::Pull, vec!["b 100% Strom", r"c\d"]),
        (Capability::Push, vec!["A_1"]),
        (Capability::Webhook, vec![r"c\d"]),
    ] {
        assert_eq!(names(&storage, &ConnectorFilter { capability: Some(capability), ..none() }, &all).await, found);
    }
    for (kind, found) in [("HR", vec!["A_1", "b 100% Strom"]), ("hr", vec![]), ("H\0R", vec![])] {
        let filter = ConnectorFilter { connector_type: Some(kind.to_owned()), ..none() };
        assert_eq!(names(&storage, &filter, &all).await, found, "{kind:?}");
    }
    for (part, found) in [
        ("STROM", vec!["b 100% Strom"]),
        ("%", vec!["b 100% Strom"]),
        ("_", vec!["A_1"]),
        (r"\", vec![r"c\d"]),
        ("x", vec![]),
        ("\0", vec![]),
    ] {
        let filter = ConnectorFilter { name_contains: Some(part.to_owned()), ..none() };
        assert_eq!(names(&storage, &filter, &all).await, found, "{part:?}");
    }
    let only = |numbers: &[u128]| Scope::Only(numbers.iter().copied().map(connector_id).collect::<BTreeSet<_>>());
    assert_eq!(names(&storage, &none(), &only(&[3, 1, 77])).await, ["b 100% Strom", r"c\d"]);
    assert_eq!(names(&storage, &none(), &only(&[])).await, [""; 0]);
}

#[rstest]
#[tokio::test]
async fn pages_follow_the_folded_name_bytewise(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let given = ["zebra", "Äpfel", "apple", "Apple 2", "_under", "10", "9", "Zulu", "éclair", "🔌"];
    for (number, name) in (0..).zip(given) {
        register(&storage, number, settings(name)).await.expect("registered");
    }
    let mut seen: Vec<Connector> = Vec::new();
    let mut after = None::<ConnectorPosition>;
    loop {
        let request = PageRequest { size: PageSize::new(3).expect("a size"), after };
        let page = storage.list_connectors(&ConnectorFilter::default(), &Scope::All, &request).await.expect("listed");
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let keys: Vec<String> = seen.iter().map(|connector| connector.settings.name.key()).collect();
    let mut expected = keys.clone();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(keys.len(), given.len());
}

#[rstest]
#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_guessed_at(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
    #[values(
        "endpoint_base_url = 'not a url'",
        "mapping_configuration = '{\"mappings\": 7}'",
        "mapping_configuration = '{'",
        "authentication_settings = ''"
    )]
    damage: &str,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let connector = register(&storage, 1, settings("One")).await.expect("registered");
    database.execute(&format!("UPDATE connectors SET {damage}")).await;
    match storage.find_connector(connector.id).await {
        Err(StorageError::Failed { context, source: Some(_) }) => {
            assert_eq!(context, format!("reading connectors {}", connector.id));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_time_in_the_file_that_is_none_is_named_and_not_guessed_at() {
    let database = TestDatabase::start(Engine::Sqlite).await;
    let storage = database.storage().await;
    let connector = register(&storage, 1, settings("One")).await.expect("registered");
    database.execute("UPDATE connectors SET created_at = 'yesterday'").await;
    match storage.find_connector(connector.id).await {
        Err(StorageError::Failed { context, .. }) => assert!(context.ends_with(&connector.id.to_string()), "{context}"),
        other => panic!("{other:?}"),
    }
}
