//! Requests that name themselves.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::connector::Connector;
use domain::idempotency::{
    ClaimedEffect, Fingerprint, IdempotencyClaim, IdempotencyKey, KEPT, KeptAnswer, KnownKey, StoredAnswer,
};
use domain::integration_log::Payloads;
use domain::lease::Premise;
use domain::repository::{Begun, ConnectorRepository, IdempotencyKeys, IntegrationLogRepository, Recorded, Storage};
use infrastructure::storage::SqlStorage;
use rstest::rstest;
use test_support::{Engine, TestDatabase};

use super::samples::{
    act, connector_id, intent, log_id, moment, outcome, premise, register_enabled, settings, success,
};

fn claim(key: &str, body: &str, at: DateTime<Utc>) -> IdempotencyClaim {
    IdempotencyClaim {
        owner: act("ana").actor,
        key: IdempotencyKey::parse(key).expect("a key"),
        fingerprint: Fingerprint::of("POST", "/x", body.as_bytes()),
        claimed_at: at,
    }
}

/// Bytes that no text has, and headers in an order of their own.
fn answer(first: u8) -> StoredAnswer {
    let headers = [("location", "/b"), ("etag", "\"1\""), ("a", "\u{e9}")];
    StoredAnswer {
        status: 201,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: Arc::from([first, 0, 0xff, b'\n']),
    }
}

async fn keep(storage: &SqlStorage, claim: &IdempotencyClaim, answer: &StoredAnswer) -> bool {
    let mut unit = storage.begin().await.expect("begun");
    let kept = unit.keep_answer(claim, answer).await.expect("asked");
    if kept {
        unit.commit().await.expect("committed");
    }
    kept
}

async fn known(storage: &SqlStorage, claim: &IdempotencyClaim) -> Option<KnownKey> {
    storage.find_idempotency_key(claim).await.expect("read")
}

fn answered(claim: &IdempotencyClaim, answer: StoredAnswer) -> KnownKey {
    KnownKey { fingerprint: claim.fingerprint, effect: ClaimedEffect::Answered(answer) }
}

#[rstest]
#[tokio::test]
async fn idempotency_a_key_is_kept_for_24_hours(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let first = claim("k", "1", moment(0));
    assert_eq!(known(&storage, &first).await, None);
    assert!(keep(&storage, &first, &answer(1)).await);

    let last = claim("k", "2", moment(0) + KEPT);
    assert_eq!(known(&storage, &last).await, Some(answered(&first, answer(1))));
    assert!(!keep(&storage, &last, &answer(2)).await);
    let other = IdempotencyClaim { owner: act("ben").actor, ..last.clone() };
    assert_eq!(known(&storage, &other).await, None, "another's key");

    let later = claim("k", "2", moment(1) + KEPT);
    assert_eq!(known(&storage, &later).await, None);
    assert!(keep(&storage, &later, &answer(2)).await);
    assert_eq!(known(&storage, &later).await, Some(answered(&later, answer(2))));
}

#[rstest]
#[tokio::test]
async fn idempotency_a_key_and_its_effect_are_kept_together_or_not_at_all(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let given_up = claim("k", "1", moment(0));
    let mut unit = storage.begin().await.expect("begun");
    assert!(unit.keep_answer(&given_up, &answer(1)).await.expect("asked"));
    unit.save(&Connector::register(connector_id(7), settings("Seven"), &act("ana"))).await.expect("saved");
    drop(unit);
    assert_eq!(known(&storage, &given_up).await, None);
    assert!(!storage.connector_was_known(connector_id(7)).await.expect("read"));

    // A call that may not begin leaves no claim, and one whose key is another's does not begin.
    let version = register_enabled(&storage, 1, "One").await.version;
    let stale = Premise { connector_version: Some(version - 1), ..premise() };
    let refused = storage.begin_call_once(&intent(1, 1), &stale, &given_up).await.expect("asked");
    assert_eq!((refused, known(&storage, &given_up).await), (Begun::Refused, None));
    assert!(keep(&storage, &given_up, &answer(1)).await);
    let taken = storage.begin_call_once(&intent(1, 1), &premise(), &given_up).await.expect("asked");
    assert_eq!(taken, Begun::Refused);
    let kept = KeptAnswer { claim: given_up, answer: answer(2) };
    let skipped = storage.skip_call_once(&intent(1, 1), &success(), &kept).await.expect("asked");
    assert_eq!(skipped, Recorded::Refused);
    assert_eq!(storage.find_log(log_id(1)).await.expect("read"), None);
}

#[rstest]
#[tokio::test]
async fn idempotency_the_answer_to_a_call_comes_with_its_outcome(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    register_enabled(&storage, 1, "One").await;
    let claim = claim("k", "1", moment(0));
    let begun = storage.begin_call_once(&intent(1, 1), &premise(), &claim).await.expect("asked");
    assert_eq!(begun, Begun::InProgress { paused: false });
    let began = KnownKey { fingerprint: claim.fingerprint, effect: ClaimedEffect::Began(log_id(1)) };
    assert_eq!(known(&storage, &claim).await, Some(began.clone()));

    let kept = KeptAnswer { claim: claim.clone(), answer: answer(1) };
    let outcome = outcome(log_id(1), "/employees", &success(), None, &Payloads::default());
    database.execute("UPDATE leases SET valid_until_ms = 0").await;
    assert_eq!(storage.complete_call_once(&outcome, &kept).await.expect("asked"), Recorded::Refused);
    assert_eq!(known(&storage, &claim).await, Some(began), "an outcome that comes too late brings no answer");
    database.execute("UPDATE leases SET valid_until_ms = 9999999999999").await;
    for _again in 0..2 {
        assert_eq!(storage.complete_call_once(&outcome, &kept).await.expect("asked"), Recorded::Kept);
        assert_eq!(known(&storage, &claim).await, Some(answered(&claim, answer(1))));
    }
}

#[rstest]
#[tokio::test]
async fn idempotency_old_keys_are_forgotten_in_batches_the_oldest_first(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let database = TestDatabase::start(engine).await;
    let storage = database.storage().await;
    let claims: Vec<_> =
        (0..5).map(|hour| claim(&format!("k{hour}"), "1", moment(0) + TimeDelta::hours(hour))).collect();
    for claim in claims.iter().rev() {
        assert!(keep(&storage, claim, &answer(1)).await);
    }
    let before = claims[3].claimed_at;
    for (forgotten, left) in [(2, 3), (1, 2), (0, 2)] {
        assert_eq!(storage.forget_idempotency_keys(before, 2).await.expect("forgotten"), forgotten);
        let rows = database.rows("SELECT idempotency_key FROM idempotency_keys ORDER BY claimed_at").await;
        assert_eq!(rows.len(), left);
        assert_eq!(rows.last().expect("a row")[0], "k4");
    }
}
