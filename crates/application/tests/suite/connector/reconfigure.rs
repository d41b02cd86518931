//! Replacing the configuration.

use application::connector::Precondition;
use application::error::Error;
use domain::connector::{Connector, ConnectorDraft, ConnectorStatus};
use domain::id::ConnectorId;
use uuid::Uuid;

use crate::fakes::Operation;
use crate::world::{World, context, context_only, draft, faults, open_draft, seconds};

async fn replaced(
    world: &World,
    id: ConnectorId,
    precondition: Precondition,
    draft: ConnectorDraft,
) -> Result<Connector, Error> {
    world.connectors.reconfigure(&context(), id, &precondition, draft).await
}

fn at(version: i64) -> Precondition {
    Precondition::OneOf(vec![version])
}

fn described(description: &str) -> ConnectorDraft {
    ConnectorDraft { description: Some(description.to_owned()), ..draft() }
}

fn invalid() -> ConnectorDraft {
    ConnectorDraft { name: None, ..draft() }
}

#[tokio::test]
async fn an_unknown_connector_comes_before_a_wrong_version_and_that_before_faults() {
    let world = World::new();
    let unknown = replaced(&world, ConnectorId::new(Uuid::nil()), at(9), invalid()).await;
    assert!(matches!(unknown, Err(Error::ConnectorNotFound)), "{unknown:?}");
    let id = world.registered(draft()).await.id;
    let stale = replaced(&world, id, at(9), invalid()).await;
    assert!(matches!(stale, Err(Error::VersionMismatch { current: 1 })), "{stale:?}");
    assert_eq!(faults(replaced(&world, id, at(1), invalid()).await), ["/name: required"]);
}

#[tokio::test]
async fn a_change_raises_the_version_and_leaves_the_status() {
    let world = World::new();
    let id = world.enabled(draft()).await;
    world.clock.advance(60);
    let changed = replaced(&world, id, Precondition::OneOf(vec![1, 2]), described("Headcount")).await.expect("changed");
    assert_eq!((changed.version, changed.switch.status), (3, ConnectorStatus::Enabled));
    assert_eq!(changed.settings.description.as_deref(), Some("Headcount"));
    let updated = changed.updated.clone().expect("a stamp");
    assert_eq!((updated.by.as_str(), (updated.at - changed.created.at).num_seconds()), ("ana", 60));
    assert_eq!(world.connectors.find(&context(), id).await.expect("found"), changed);
}

#[tokio::test]
async fn the_same_configuration_changes_nothing() {
    let world = World::new();
    let before = world.registered(draft()).await;
    world.clock.advance(60);
    let same = ConnectorDraft { name: Some("  Company HR System ".to_owned()), ..draft() };
    let after = replaced(&world, before.id, at(1), same).await.expect("accepted");
    assert_eq!(after, before);
    assert_eq!(world.connectors.find(&context(), before.id).await.expect("found"), before);
    assert_eq!(world.storage.entries().len(), 1, "only the registration");
}

#[tokio::test]
async fn the_type_is_fixed_after_creation_and_told_with_every_other_fault() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let other = ConnectorDraft {
        connector_type: Some("ERP".to_owned()),
        endpoint_base_url: Some("https://127.0.0.1/".to_owned()),
        max_retry_attempts: Some(11.into()),
        ..draft()
    };
    let mut found = faults(replaced(&world, id, Precondition::None, other).await);
    found.sort_unstable();
    let expected =
        ["/connectorType: immutable", "/endpointBaseUrl: destination-blocked", "/maxRetryAttempts: out-of-range"];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_name_of_another_connector_is_taken() {
    let world = World::new();
    world.registered(draft()).await;
    let other = world.registered(ConnectorDraft { name: Some("ERP".to_owned()), ..draft() }).await;
    let refused = replaced(&world, other.id, Precondition::None, draft()).await;
    assert!(matches!(refused, Err(Error::NameTaken)), "{refused:?}");
    assert_eq!(world.connectors.find(&context(), other.id).await.expect("found"), other);
    assert_eq!(world.storage.entries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_replacements_of_one_version_one_wins() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    // Both have passed the first look at the version when the slow look-ups end.
    world.secrets.slow_down(seconds(2));
    let (one, other) =
        tokio::join!(replaced(&world, id, at(1), described("one")), replaced(&world, id, at(1), described("other")));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(won.expect("the winner").version, 2);
    assert!(matches!(lost, Err(Error::VersionMismatch { current: 2 })), "{lost:?}");
    assert_eq!(world.storage.entries().len(), 2);
}

#[tokio::test]
async fn nothing_is_changed_while_the_secret_store_is_down() {
    let world = World::new();
    let before = world.registered(draft()).await;
    world.secrets.go_down();
    let refused = replaced(&world, before.id, at(1), described("x")).await;
    assert!(matches!(refused, Err(Error::SecretStoreUnavailable(_))), "{refused:?}");
    assert_eq!(world.connectors.find(&context(), before.id).await.expect("found"), before);
}

#[tokio::test]
async fn a_change_whose_commit_is_lost_did_not_happen() {
    let world = World::new();
    let before = world.registered(draft()).await;
    world.storage.take_away(Operation::Commit);
    let refused = replaced(&world, before.id, at(1), described("x")).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!(world.connectors.find(&context(), before.id).await.expect("found"), before);
    assert_eq!(world.storage.entries().len(), 1);
}

#[tokio::test]
async fn a_secret_store_is_never_asked_within_a_unit_of_work() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    world.journal.clear();
    replaced(&world, id, at(1), described("x")).await.expect("changed");
    assert_eq!(world.journal.lines(), ["FindConnector", "resolve", "Begin", "Hold", "Save", "Commit"]);
}

#[tokio::test]
async fn a_deleted_connector_is_not_found_its_name_is_free_and_it_stays_known() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    world.connectors.delete(&context(), id, &at(1)).await.expect("deleted");
    let found = world.connectors.find(&context(), id).await;
    assert!(matches!(found, Err(Error::ConnectorNotFound)), "{found:?}");
    let again = world.connectors.delete(&context(), id, &Precondition::None).await;
    assert!(matches!(again, Err(Error::ConnectorNotFound)), "{again:?}");
    world.connectors.known(&context(), id).await.expect("its logs and its audit outlive it");
    assert_ne!(world.registered(open_draft()).await.id, id);
}

#[tokio::test]
async fn only_a_disabled_connector_of_the_expected_version_is_deleted() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let stale = world.connectors.delete(&context(), id, &at(1)).await;
    assert!(matches!(stale, Err(Error::VersionMismatch { current: 2 })), "{stale:?}");
    let enabled = world.connectors.delete(&context(), id, &at(2)).await;
    assert!(matches!(enabled, Err(Error::ConnectorEnabled)), "{enabled:?}");
    let hidden = world.connectors.delete(&context_only([]), id, &at(2)).await;
    assert!(matches!(hidden, Err(Error::ConnectorNotFound)), "{hidden:?}");
    world.connectors.disable(&context(), id, None).await.expect("disabled");
    world.connectors.delete(&context(), id, &at(3)).await.expect("deleted");
}
