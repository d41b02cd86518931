//! Enabling and disabling.

use application::error::Error;
use domain::connector::ConnectorStatus;
use domain::id::ConnectorId;
use rstest::rstest;
use uuid::Uuid;

use crate::fakes::Operation;
use crate::world::{World, context, faults, open_draft};

#[tokio::test]
async fn switching_raises_the_version_and_keeps_reason_actor_and_time() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    world.clock.advance(5);
    let enabled = world.connectors.enable(&context(), id, Some("  go live\n")).await.expect("enabled");
    assert_eq!((enabled.version, enabled.switch.status), (2, ConnectorStatus::Enabled));
    assert_eq!(enabled.switch.reason.as_deref(), Some("go live"));
    let changed = enabled.switch.changed.clone().expect("a stamp");
    assert_eq!((changed.by.as_str(), (changed.at - enabled.created.at).num_seconds()), ("ana", 5));
    assert_eq!(enabled.updated, Some(changed));
    let disabled = world.connectors.disable(&context(), id, None).await.expect("disabled");
    assert_eq!((disabled.version, disabled.switch.status), (3, ConnectorStatus::Disabled));
    assert_eq!(disabled.switch.reason, None, "the reason of the last switching only");
}

#[tokio::test]
async fn a_repeat_changes_nothing_whatever_its_reason() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    let disabled = world.connectors.disable(&context(), id, Some("again")).await.expect("disabled");
    assert_eq!((disabled.version, disabled.switch.reason), (1, None));
    let once = world.connectors.enable(&context(), id, Some("first")).await.expect("enabled");
    world.clock.advance(60);
    let twice = world.connectors.enable(&context(), id, Some("second")).await.expect("enabled");
    assert_eq!(twice, once);
    assert_eq!(world.connectors.find(&context(), id).await.expect("found"), once);
    assert_eq!(world.storage.entries().len(), 2, "the registration and the first enabling");
}

#[rstest]
#[case("x".repeat(501), "/reason: out-of-range")]
#[case("a\u{1b}[31m".to_owned(), "/reason: invalid-value")]
#[case("a\0b".to_owned(), "/reason: invalid-value")]
#[tokio::test]
async fn a_reason_is_bounded(#[case] reason: String, #[case] fault: &str) {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    assert_eq!(faults(world.connectors.enable(&context(), id, Some(&reason)).await), [fault]);
    assert_eq!(world.connectors.find(&context(), id).await.expect("found").version, 1);
}

#[rstest]
#[case("x".repeat(500), Some("x".repeat(500)))]
#[case("é".repeat(500), Some("é".repeat(500)))]
#[case("   ".to_owned(), None)]
#[tokio::test]
async fn a_reason_has_up_to_500_characters_and_a_blank_one_is_none(
    #[case] reason: String,
    #[case] kept: Option<String>,
) {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    let enabled = world.connectors.enable(&context(), id, Some(&reason)).await.expect("enabled");
    assert_eq!(enabled.switch.reason, kept);
}

#[tokio::test]
async fn an_unknown_connector_comes_before_a_bad_reason() {
    let world = World::new();
    let refused = world.connectors.enable(&context(), ConnectorId::new(Uuid::nil()), Some(&"x".repeat(501))).await;
    assert!(matches!(refused, Err(Error::ConnectorNotFound)), "{refused:?}");
}

#[tokio::test]
async fn a_switching_whose_commit_is_lost_did_not_happen() {
    let world = World::new();
    let before = world.registered(open_draft()).await;
    world.storage.take_away(Operation::Commit);
    let refused = world.connectors.enable(&context(), before.id, None).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!(world.connectors.find(&context(), before.id).await.expect("found"), before);
    assert_eq!(world.storage.entries().len(), 1);
}

#[tokio::test]
async fn of_two_switchings_at_once_both_are_traced_in_order() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    let context = context();
    let (enabled, disabled) = tokio::join!(
        world.connectors.enable(&context, id, Some("one")),
        world.connectors.disable(&context, id, Some("two")),
    );
    assert_eq!((enabled.expect("enabled").version, disabled.expect("disabled").version), (2, 3));
    let reasons: Vec<_> = world.storage.entries().into_iter().filter_map(|chained| chained.entry.reason).collect();
    assert_eq!(reasons, ["one", "two"]);
}
