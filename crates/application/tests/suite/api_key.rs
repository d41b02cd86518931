//! Making, revoking and recognising API keys.

use std::sync::Arc;
use std::time::Duration;

use application::api_key::{ApiKeyDraft, Creation};
use application::context::RequestContext;
use application::error::Error;
use application::idempotency::Once;
use application::ports::Clock;
use chrono::TimeDelta;
use domain::access::{Actor, ActorType, Principal, Role, Scope};
use domain::api_key::{ApiKey, KeyFilter};
use domain::audit::Action;
use domain::connector::ConnectorDraft;
use domain::fault::{FaultCode, Faults};
use domain::id::ApiKeyId;
use domain::idempotency::{Fingerprint, IdempotencyKey, StoredAnswer};
use domain::page::PageRequest;
use rstest::rstest;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fakes::Operation;
use crate::world::{World, context_of, faults, open_draft};

/// Somebody at the machine, who makes keys.
fn local() -> RequestContext {
    context_of(Principal::local())
}

fn draft(role: Role) -> ApiKeyDraft {
    ApiKeyDraft { name: Some("ana".to_owned()), role: Some(role), ..ApiKeyDraft::default() }
}

async fn created(world: &World, draft: ApiKeyDraft) -> SecretString {
    world.keys.create(&local(), draft).await.expect("created").value
}

/// Every key, the newest first.
async fn listed(world: &World) -> Vec<ApiKey> {
    world.keys.list(&KeyFilter::default(), &PageRequest::default()).await.expect("listed").items
}

async fn revoke(world: &World, name: &str) -> Result<ApiKey, Error> {
    world.keys.revoke_named(&local(), name, None).await
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
    let kept = format!("{}{:?}", world.storage.dump(), listed(&world).await);
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
    revoke(&world, "ana").await.expect("revoked");
    assert_eq!(recognised(&world, &old).await, None);
    let again = revoke(&world, "ana").await;
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
    assert_eq!(faults(refused), ["/expiresAt: out-of-range"]);
}

#[tokio::test]
async fn a_name_is_taken_while_its_key_is_not_revoked() {
    let world = World::new();
    created(&world, draft(Role::Admin)).await;
    let refused = world.keys.create(&local(), draft(Role::Viewer)).await;
    assert!(matches!(refused, Err(Error::KeyNameTaken)), "{refused:?}");
    assert_eq!((listed(&world).await.len(), world.storage.entries().len()), (1, 1));
}

#[tokio::test]
async fn a_service_key_needs_connectors_that_exist() {
    let world = World::new();
    let none = world.keys.create(&local(), draft(Role::Service)).await;
    assert_eq!(faults(none), ["/connectors: required"]);
    let id = world.registered(open_draft()).await.id;
    let own = id.to_string();
    let given = [&own, "x", &own, &Uuid::nil().to_string()].map(str::to_owned).to_vec();
    let nowhere = ApiKeyDraft { name: Some("a b".to_owned()), connectors: given, ..draft(Role::Service) };
    assert_eq!(
        faults(world.keys.create(&local(), nowhere).await),
        [
            "/name: invalid-value",
            "/connectors/1: invalid-value",
            "/connectors/2: duplicate",
            "/connectors/3: invalid-value"
        ]
    );
    let key = created(&world, ApiKeyDraft { connectors: vec![own], ..draft(Role::Service) }).await;
    let principal = recognised(&world, &key).await.expect("recognised");
    assert_eq!((principal.role, principal.scope), (Role::Service, Scope::Only([id].into())));
}

#[tokio::test]
async fn only_a_service_key_is_bound_to_connectors() {
    let world = World::new();
    let connectors = vec![world.registered(open_draft()).await.id.to_string()];
    let refused = world.keys.create(&local(), ApiKeyDraft { connectors, ..draft(Role::Viewer) }).await;
    assert_eq!(faults(refused), ["/connectors: not-allowed"]);
}

#[tokio::test]
async fn keys_are_listed_the_newest_first_the_revoked_included() {
    let world = World::new();
    for name in ["zoe", "ana"] {
        created(&world, ApiKeyDraft { name: Some(name.to_owned()), ..draft(Role::Viewer) }).await;
    }
    revoke(&world, "ana").await.expect("revoked");
    let keys = listed(&world).await;
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
    assert_eq!((listed(&world).await.len(), world.storage.entries().len()), (0, 0));
}

#[tokio::test]
async fn a_key_cannot_be_judged_without_the_store() {
    let world = World::new();
    let key = created(&world, draft(Role::Admin)).await;
    world.storage.take_away(Operation::FindKey);
    let judged = world.keys.recognise(key.expose_secret()).await;
    assert!(matches!(judged, Err(Error::StoreUnavailable(_))), "{judged:?}");
}

#[tokio::test]
async fn every_fault_of_a_draft_is_found_at_once() {
    let world = World::new();
    let mut faults_of_reading = Faults::new();
    faults_of_reading.push("/role", FaultCode::InvalidValue, "must be a role");
    let expires_at = Some(world.clock.now());
    let reason = Some("x".repeat(501));
    let draft = ApiKeyDraft { faults: faults_of_reading, expires_at, reason, ..ApiKeyDraft::default() };
    let refused = world.keys.create(&local(), draft).await;
    let expected = ["/role: invalid-value", "/name: required", "/reason: out-of-range", "/expiresAt: out-of-range"];
    assert_eq!(faults(refused), expected);
}

#[tokio::test]
async fn se_a_3_nobody_gives_away_more_than_they_have() {
    let world = World::new();
    let theirs = ConnectorDraft { name: Some("Theirs".to_owned()), ..open_draft() };
    let [mine, theirs] = [world.registered(open_draft()).await.id, world.registered(theirs).await.id];
    let maker = |role, scope| context_of(Principal { actor: Actor::local(), role, scope });
    let operator = maker(Role::Operator, Scope::All);
    for (role, allowed) in [(Role::Viewer, true), (Role::Operator, true), (Role::Auditor, false), (Role::Admin, false)]
    {
        let name = Some(role.as_str().to_owned());
        let made = world.keys.create(&operator, ApiKeyDraft { name, ..draft(role) }).await;
        assert!(matches!(made, Ok(_) | Err(Error::GrantBeyondCaller)), "{made:?}");
        assert_eq!(made.is_ok(), allowed, "{role:?}");
    }
    let bound = maker(Role::Admin, Scope::Only([mine].into()));
    let unbound = world.keys.create(&bound, ApiKeyDraft { name: Some("a".to_owned()), ..draft(Role::Viewer) }).await;
    assert!(matches!(unbound, Err(Error::GrantBeyondCaller)), "{unbound:?}");
    let service =
        |id: domain::id::ConnectorId| ApiKeyDraft { connectors: vec![id.to_string()], ..draft(Role::Service) };
    // What is out of the maker's reach does not exist for it.
    assert_eq!(faults(world.keys.create(&bound, service(theirs)).await), ["/connectors/0: invalid-value"]);
    world.keys.create(&bound, service(mine)).await.expect("within its reach");
}

#[tokio::test]
async fn a_reason_and_the_key_s_id_reach_the_audit() {
    let world = World::new();
    let wanted = ApiKeyDraft { reason: Some(" nightly ".to_owned()), ..draft(Role::Admin) };
    let id = world.keys.create(&local(), wanted).await.expect("made").key.id;
    world.keys.revoke(&local(), id, Some("leaked")).await.expect("revoked");
    let entries = world.storage.entries();
    let reasons: Vec<_> = entries.iter().map(|chained| chained.entry.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("nightly"), Some("leaked")]);
    let changes = &entries[0].entry.changes;
    assert!(changes.iter().any(|change| change.pointer == "/id" && change.after == id.to_string()), "{changes:?}");
}

#[tokio::test]
async fn revoking_by_id_once_more_changes_nothing() {
    let world = World::new();
    let id = world.keys.create(&local(), draft(Role::Admin)).await.expect("made").key.id;
    let first = world.keys.revoke(&local(), id, Some("leaked")).await.expect("revoked");
    world.clock.advance(5);
    assert_eq!(world.keys.revoke(&local(), id, Some("again")).await.expect("revoked"), first);
    assert_eq!(world.storage.entries().len(), 2);
    let long = "x".repeat(501);
    assert_eq!(faults(world.keys.revoke(&local(), id, Some(&long)).await), ["/reason: out-of-range"]);
    let unknown = world.keys.revoke(&local(), ApiKeyId::new(Uuid::nil()), None).await;
    assert!(matches!(unknown, Err(Error::KeyNotFound)), "{unknown:?}");
}

#[tokio::test]
async fn se_a_2_a_repeated_creation_makes_no_second_key_and_cannot_tell_the_first() {
    let world = World::new();
    let once = Once {
        key: IdempotencyKey::parse("k").expect("a key"),
        fingerprint: Fingerprint::of("POST", "/api/v1/keys", b"{}"),
        render: Arc::new(|key: ApiKey| StoredAnswer {
            status: 201,
            headers: Vec::new(),
            body: key.id.to_string().into_bytes().into(),
        }),
    };
    let first = world.keys.create_once(&local(), draft(Role::Admin), &once).await.expect("made");
    let Creation::New(made) = first else { panic!("{first:?}") };
    let second = world.keys.create_once(&local(), draft(Role::Admin), &once).await.expect("answered");
    let Creation::Repeated(answer) = second else { panic!("{second:?}") };
    assert_eq!(&*answer.body, made.key.id.to_string().as_bytes());
    assert_eq!((listed(&world).await.len(), world.storage.entries().len()), (1, 1));
    assert!(!world.storage.dump().contains(made.value.expose_secret()));
}

#[tokio::test(start_paused = true)]
async fn se_a_2_the_first_use_is_written_at_once_and_the_last_within_a_minute() {
    let world = Arc::new(World::new());
    let key = created(&world, draft(Role::Viewer)).await;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let (world, stop) = (world.clone(), stop.clone());
        async move { world.keys.uses().keep(stop).await }
    });
    let begun = world.clock.now();
    let last_used = || async { listed(&world).await[0].last_used_at };
    recognised(&world, &key).await.expect("recognised");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(last_used().await, Some(begun));
    for _ in 0..50 {
        world.clock.advance(1);
        recognised(&world, &key).await.expect("recognised");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((last_used().await, world.journal.count("RecordUses")), (Some(begun), 1));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(last_used().await, Some(begun + TimeDelta::seconds(50)));
    // Who is not taken leaves no trace, and nothing to write writes nothing.
    revoke(&world, "ana").await.expect("revoked");
    world.clock.advance(1);
    assert_eq!(recognised(&world, &key).await, None);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!((last_used().await, world.journal.count("RecordUses")), (Some(begun + TimeDelta::seconds(50)), 2));
    stop.cancel();
    keeping.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn se_a_2_a_use_that_the_store_did_not_take_is_written_later_or_at_the_end() {
    let world = Arc::new(World::new());
    let key = created(&world, draft(Role::Viewer)).await;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let (world, stop) = (world.clone(), stop.clone());
        async move { world.keys.uses().keep(stop).await }
    });
    let last_used = || async { listed(&world).await[0].last_used_at };
    world.storage.take_away(Operation::RecordUses);
    recognised(&world, &key).await.expect("recognised");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(last_used().await, None);
    world.storage.bring_back(Operation::RecordUses);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let first = world.clock.now();
    assert_eq!(last_used().await, Some(first));
    world.clock.advance(7);
    recognised(&world, &key).await.expect("recognised");
    stop.cancel();
    keeping.await.expect("it ends");
    assert_eq!(last_used().await, Some(first + TimeDelta::seconds(7)));
}
