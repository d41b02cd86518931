//! Making, revoking and recognising API keys.

use application::api_key::ApiKeyDraft;
use application::context::RequestContext;
use application::error::Error;
use application::ports::Clock;
use chrono::TimeDelta;
use domain::access::{Actor, ActorType, Principal, Role, Scope};
use domain::audit::Action;
use domain::id::ConnectorId;
use rstest::rstest;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::fakes::Operation;
use crate::world::{World, context_of, faults, open_draft};

/// Somebody at the machine, who makes keys.
fn local() -> RequestContext {
    context_of(Principal::local())
}

fn draft(role: Role) -> ApiKeyDraft {
    ApiKeyDraft { name: "ana".to_owned(), role, connectors: [].into(), expires_at: None }
}

async fn created(world: &World, draft: ApiKeyDraft) -> SecretString {
    world.keys.create(&local(), draft).await.expect("created")
}

async fn recognised(world: &World, key: &SecretString) -> Option<Principal> {
    world.keys.recognise(key.expose_secret()).await.expect("asked")
}

#[tokio::test]
async fn a_created_key_is_recognised_under_its_name_and_role() {
    let world = World::new();
    let key = created(&world, draft(Role::Operator)).await;
    let principal = recognised(&world, &key).await.expect("recognised");
    assert_eq!(principal.actor, Actor { name: "ana".to_owned(), kind: ActorType::ApiKey });
    assert_eq!((principal.role, principal.scope), (Role::Operator, Scope::All));
}

#[tokio::test]
async fn se_a_2_only_the_digest_of_a_key_is_kept() {
    let world = World::new();
    let key = created(&world, draft(Role::Admin)).await;
    let spelled = key.expose_secret();
    assert!(spelled.starts_with("esgc_") && spelled.len() == 69, "a readable prefix and 256 bits");
    let secret = spelled.trim_start_matches("esgc_");
    let kept = format!("{}{:?}", world.storage.dump(), world.keys.list().await.expect("listed"));
    assert!(!kept.contains(secret));
}

#[rstest]
#[case("")]
#[case("esgc_")]
#[case("esgc_00")]
#[case("00000000000000000000000000000000000000000000000000000000000000000000")]
#[tokio::test]
async fn what_is_no_key_is_nobody_and_not_looked_up(#[case] text: &str) {
    let world = World::new();
    assert_eq!(world.keys.recognise(text).await.expect("judged"), None);
    assert_eq!(world.journal.count("FindKey"), 0);
}

#[tokio::test]
async fn a_key_in_other_letters_is_another_key() {
    let world = World::new();
    let key = created(&world, draft(Role::Admin)).await;
    let shouted = key.expose_secret().replace('a', "A");
    assert_eq!(world.keys.recognise(&shouted).await.expect("judged"), None);
    let unknown = format!("esgc_{}", "0".repeat(64));
    assert_eq!(world.keys.recognise(&unknown).await.expect("judged"), None);
}

#[tokio::test]
async fn se_a_2_a_revoked_key_is_refused_at_once_and_its_name_is_free() {
    let world = World::new();
    let old = created(&world, draft(Role::Admin)).await;
    world.keys.revoke(&local(), "ana").await.expect("revoked");
    assert_eq!(recognised(&world, &old).await, None);
    let again = world.keys.revoke(&local(), "ana").await;
    assert!(matches!(again, Err(Error::KeyNotFound)), "{again:?}");
    let new = created(&world, draft(Role::Viewer)).await;
    assert_eq!(recognised(&world, &old).await, None);
    assert_eq!(recognised(&world, &new).await.map(|principal| principal.role), Some(Role::Viewer));
    let actions: Vec<_> = world.storage.entries().iter().map(|chained| chained.entry.action).collect();
    assert_eq!(actions, [Action::KeyCreated, Action::KeyRevoked, Action::KeyCreated]);
}

#[tokio::test]
async fn a_key_is_refused_from_its_expiry_on() {
    let world = World::new();
    let now = world.clock.now();
    let expires_at = Some(now + TimeDelta::seconds(60));
    let key = created(&world, ApiKeyDraft { expires_at, ..draft(Role::Admin) }).await;
    world.clock.advance(59);
    assert!(recognised(&world, &key).await.is_some());
    world.clock.advance(1);
    assert_eq!(recognised(&world, &key).await, None);
}

#[tokio::test]
async fn an_expiry_lies_in_the_future() {
    let world = World::new();
    let expires_at = Some(world.clock.now());
    let refused = world.keys.create(&local(), ApiKeyDraft { expires_at, ..draft(Role::Admin) }).await;
    assert_eq!(faults(refused), ["/expires: out-of-range"]);
}

#[tokio::test]
async fn a_name_is_taken_while_its_key_is_not_revoked() {
    let world = World::new();
    created(&world, draft(Role::Admin)).await;
    let refused = world.keys.create(&local(), draft(Role::Viewer)).await;
    assert!(matches!(refused, Err(Error::NameTaken)), "{refused:?}");
    assert_eq!((world.keys.list().await.expect("listed").len(), world.storage.entries().len()), (1, 1));
}

#[tokio::test]
async fn a_service_key_needs_connectors_that_exist() {
    let world = World::new();
    let none = world.keys.create(&local(), draft(Role::Service)).await;
    assert_eq!(faults(none), ["/connector: required"]);
    let unknown = [ConnectorId::new(Uuid::nil())].into();
    let nowhere = ApiKeyDraft { name: "a b".to_owned(), connectors: unknown, ..draft(Role::Service) };
    assert_eq!(
        faults(world.keys.create(&local(), nowhere).await),
        ["/name: invalid-value", "/connector: invalid-value"]
    );
    let id = world.registered(open_draft()).await.id;
    let key = created(&world, ApiKeyDraft { connectors: [id].into(), ..draft(Role::Service) }).await;
    let principal = recognised(&world, &key).await.expect("recognised");
    assert_eq!((principal.role, principal.scope), (Role::Service, Scope::Only([id].into())));
}

#[tokio::test]
async fn only_a_service_key_is_bound_to_connectors() {
    let world = World::new();
    let id = world.registered(open_draft()).await.id;
    let refused = world.keys.create(&local(), ApiKeyDraft { connectors: [id].into(), ..draft(Role::Viewer) }).await;
    assert_eq!(faults(refused), ["/connector: not-allowed"]);
}

#[tokio::test]
async fn keys_are_listed_by_name_the_revoked_included() {
    let world = World::new();
    for name in ["zoe", "ana"] {
        created(&world, ApiKeyDraft { name: name.to_owned(), ..draft(Role::Viewer) }).await;
    }
    world.keys.revoke(&local(), "ana").await.expect("revoked");
    let keys = world.keys.list().await.expect("listed");
    let shown: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.revoked.is_some())).collect();
    assert_eq!(shown, [("ana", true), ("zoe", false)]);
    assert_eq!(keys[0].revoked.as_ref().map(|stamp| stamp.by.as_str()), Some("local"));
}

#[rstest]
#[case(Operation::Begin)]
#[case(Operation::Save)]
#[case(Operation::Commit)]
#[tokio::test]
async fn a_key_that_the_store_loses_half_way_was_never_made(#[case] operation: Operation) {
    let world = World::new();
    world.storage.take_away(operation);
    let refused = world.keys.create(&local(), draft(Role::Admin)).await;
    assert!(matches!(refused, Err(Error::StoreUnavailable(_))), "{refused:?}");
    assert_eq!((world.keys.list().await.expect("listed").len(), world.storage.entries().len()), (0, 0));
}

#[tokio::test]
async fn a_key_cannot_be_judged_without_the_store() {
    let world = World::new();
    let key = created(&world, draft(Role::Admin)).await;
    world.storage.take_away(Operation::FindKey);
    let judged = world.keys.recognise(key.expose_secret()).await;
    assert!(matches!(judged, Err(Error::StoreUnavailable(_))), "{judged:?}");
}
