//! What the audit trail says about changes.

use application::connector::Precondition;
use application::error::Error;
use domain::access::{Actor, ActorType};
use domain::audit::{Action, AuditEntry, AuditFilter, AuditHead, ChainedEntry, GENESIS};
use domain::connector::ConnectorDraft;
use domain::page::{PageRequest, PageSize};
use serde_json::{Value, json};

use crate::fakes::Operation;
use crate::world::{World, context, draft, open_draft, pull};

/// The one entry behind `before` others.
fn only_new(world: &World, before: usize) -> AuditEntry {
    let entries = world.storage.entries();
    assert_eq!(entries.len(), before + 1, "exactly one entry");
    entries.into_iter().last().expect("an entry").entry
}

fn change<'a>(entry: &'a AuditEntry, pointer: &str) -> Option<(&'a Value, &'a Value)> {
    let found = entry.changes.iter().find(|change| change.pointer == pointer);
    found.map(|change| (&change.before, &change.after))
}

fn pointers(entry: &AuditEntry) -> Vec<&str> {
    entry.changes.iter().map(|change| change.pointer.as_str()).collect()
}

#[tokio::test]
async fn se_a_4_an_entry_says_who_when_under_which_request_and_from_where() {
    let world = World::new();
    let connector = world.registered(draft()).await;
    let entry = only_new(&world, 0);
    assert_eq!(entry.actor, Actor { name: "ana".to_owned(), kind: ActorType::ApiKey });
    assert_eq!(entry.at, connector.created.at);
    assert_eq!(entry.correlation_id.as_str(), "corr-12345");
    assert_eq!(entry.source_address.map(|address| address.to_string()).as_deref(), Some("192.0.2.7"));
    assert_eq!(entry.subject, format!("connectors/{}", connector.id));
    assert_eq!((entry.action, entry.connector_id), (Action::ConnectorCreated, Some(connector.id)));
}

#[tokio::test]
async fn se_a_4_a_registration_shows_every_member_after_and_null_before() {
    let world = World::new();
    world.registered(draft()).await;
    let entry = only_new(&world, 0);
    assert_eq!(change(&entry, "/name"), Some((&Value::Null, &json!("Company HR System"))));
    assert_eq!(change(&entry, "/maxRetryAttempts"), Some((&Value::Null, &json!(3))));
    assert_eq!(change(&entry, "/status"), Some((&Value::Null, &json!("Disabled"))));
    assert_eq!(change(&entry, "/authenticationSecretRef"), Some((&Value::Null, &json!("SecretStore:HR"))));
    assert!(!world.storage.dump().contains("hr-secret-value"), "secrets are shown as references");
}

#[tokio::test]
async fn se_a_4_a_change_shows_exactly_the_members_that_changed() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let mapping = json!({ "mappings": [{ "externalField": "a", "internalField": "b", "transform": "direct" }] });
    let changed = ConnectorDraft {
        max_retry_attempts: Some(5.into()),
        authentication_settings: Some(json!({ "headerName": "X-Key" })),
        mapping_configuration: Some(mapping.clone()),
        ..draft()
    };
    world.connectors.reconfigure(&context(), id, &Precondition::None, changed).await.expect("changed");
    let entry = only_new(&world, 1);
    assert_eq!(entry.action, Action::ConnectorUpdated);
    assert_eq!(
        pointers(&entry),
        ["/authenticationSettings/headerName", "/maxRetryAttempts", "/mappingConfiguration/mappings"]
    );
    assert_eq!(change(&entry, "/maxRetryAttempts"), Some((&json!(3), &json!(5))));
    assert_eq!(change(&entry, "/mappingConfiguration/mappings"), Some((&json!([]), &mapping["mappings"])));
}

#[tokio::test]
async fn se_a_4_a_switching_shows_the_status_and_the_reason() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    world.connectors.enable(&context(), id, Some("go live")).await.expect("enabled");
    let entry = only_new(&world, 1);
    assert_eq!((entry.action, entry.reason.as_deref()), (Action::ConnectorEnabled, Some("go live")));
    assert_eq!(pointers(&entry), ["/status", "/statusReason"]);
    assert_eq!(change(&entry, "/status"), Some((&json!("Disabled"), &json!("Enabled"))));
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    let entry = only_new(&world, 2);
    assert_eq!((entry.action, entry.reason.as_deref()), (Action::ConnectorDisabled, None));
    assert_eq!(change(&entry, "/statusReason"), Some((&json!("go live"), &Value::Null)));
}

#[tokio::test]
async fn se_a_4_a_deletion_shows_every_member_before_and_null_after() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    world.connectors.delete(&context(), id, &Precondition::None).await.expect("deleted");
    let entry = only_new(&world, 1);
    assert_eq!((entry.action, entry.connector_id), (Action::ConnectorDeleted, Some(id)));
    assert_eq!(change(&entry, "/name"), Some((&json!("Company HR System"), &Value::Null)));
    assert!(entry.changes.iter().all(|change| change.after.is_null()));
}

#[tokio::test]
async fn what_changed_nothing_or_was_refused_leaves_no_entry() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let entries = world.storage.entries().len();
    world.connectors.enable(&context(), id, Some("again")).await.expect("enabled already");
    world.connectors.reconfigure(&context(), id, &Precondition::None, open_draft()).await.expect("the same");
    world.connectors.delete(&context(), id, &Precondition::None).await.expect_err("is enabled");
    world.connectors.register(&context(), open_draft()).await.expect_err("the name is taken");
    world.executed(id, pull(), [crate::fakes::Step::status(204)]).await;
    assert_eq!(world.storage.entries().len(), entries);
}

#[tokio::test]
async fn se_a_5_entries_are_numbered_without_gaps_and_chained_from_the_genesis() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.storage.take_away(Operation::Commit);
    world.connectors.disable(&context(), id, None).await.expect_err("the commit is lost");
    world.storage.bring_back(Operation::Commit);
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    let mut previous = GENESIS;
    for (chained, sequence) in world.storage.entries().into_iter().zip(1..) {
        assert_eq!((chained.sequence, chained.previous_hash), (sequence, previous));
        let recomputed = ChainedEntry::append(chained.entry.clone(), sequence, previous);
        assert_eq!(recomputed.hash, chained.hash);
        previous = chained.hash;
    }
    assert_eq!(world.storage.entries().len(), 3);
}

#[tokio::test]
async fn entries_are_listed_the_newest_first_and_filtered() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    let size = PageSize::new(2).expect("a size");
    let first = PageRequest { size, after: None };
    let page = world.audit.list(&AuditFilter::default(), &first).await.expect("listed");
    assert_eq!(page.items.iter().map(|chained| chained.sequence).collect::<Vec<_>>(), [3, 2]);
    let rest = PageRequest { size, after: page.next };
    let page = world.audit.list(&AuditFilter::default(), &rest).await.expect("listed");
    assert_eq!((page.items.len(), page.items[0].sequence, page.next), (1, 1, None));
    let filter = AuditFilter { action: Some("connector.enabled".to_owned()), ..AuditFilter::default() };
    let page = world.audit.list(&filter, &first).await.expect("listed");
    assert_eq!(page.items.iter().map(|chained| chained.sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_trail_that_cannot_be_read_is_no_empty_trail() {
    let world = World::new();
    world.storage.take_away(Operation::ListEntries);
    let refused = world.audit.list(&AuditFilter::default(), &PageRequest::default()).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn se_a_5_a_trail_is_verified_against_an_anchor() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let anchor = world.audit.head().await.expect("a head");
    assert_eq!(anchor.sequence, 2);
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    let verified = world.audit.verify(Some(anchor)).await.expect("verified");
    assert_eq!((verified.entries, verified.fault), (3, None));
    let foreign = AuditHead { hash: [7; 32], ..anchor };
    let verified = world.audit.verify(Some(foreign)).await.expect("an invalid trail is an answer");
    assert_eq!(verified.fault.expect("a fault").sequence, Some(2));
    world.storage.take_away(Operation::VerifyChain);
    let refused = world.audit.verify(None).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn the_head_is_the_stores_and_the_last_one_seen_while_the_store_is_away() {
    let world = World::new();
    world.storage.take_away(Operation::AuditHead);
    assert_eq!(world.audit.head().await, None);
    world.storage.bring_back(Operation::AuditHead);
    assert_eq!(world.audit.head().await, Some(AuditHead::EMPTY));
    world.enabled(open_draft()).await;
    let head = world.audit.head().await;
    assert_eq!(head.map(|head| head.sequence), Some(2));
    world.storage.take_away(Operation::AuditHead);
    assert_eq!(world.audit.head().await, head);
}

#[tokio::test]
async fn an_export_has_what_there_was_when_it_began() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    for number in 0..200 {
        let turned = if number % 2 == 0 {
            world.connectors.disable(&context(), id, None).await
        } else {
            world.connectors.enable(&context(), id, None).await
        };
        turned.expect("switched");
    }
    let mut export = world.audit.export(AuditFilter::default()).await.expect("begun");
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    let mut sizes = Vec::new();
    while let Some(entries) = export.next().await.expect("read") {
        sizes.push(entries.len());
    }
    assert_eq!(sizes, [200, 2]);
    let mut export = world.audit.export(AuditFilter::default()).await.expect("begun");
    export.next().await.expect("read").expect("a page");
    world.storage.take_away(Operation::ReadEntries);
    assert!(matches!(export.next().await, Err(Error::StoreUnavailable(_))));
}
