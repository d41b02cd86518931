//! The cache, around a store that is told what to answer and counts how often it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use futures_util::future::join_all;
use infrastructure::secrets::CachedStore;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::resolve;

const REFERENCE: &str = "vault:hr/key";

/// Answers one look-up per permit of the gate.
struct Scripted {
    answer: Mutex<Result<String, SecretError>>,
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Scripted {
    fn answering(value: &str) -> Arc<Self> {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { answer: Mutex::new(Ok(value.to_owned())), asked: AtomicUsize::new(0), gate })
    }

    fn answer(&self, answer: Result<&str, SecretError>) {
        *self.answer.lock().expect("not poisoned") = answer.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretStore for Scripted {
    async fn resolve(&self, _reference: &SecretRef) -> Result<SecretString, SecretError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.expect("an open gate").forget();
        self.answer.lock().expect("not poisoned").clone().map(SecretString::from)
    }
}

fn cached(value: &str) -> (Arc<Scripted>, CachedStore) {
    let store = Scripted::answering(value);
    (store.clone(), CachedStore::remote(store))
}

fn missing() -> SecretError {
    SecretError::NotFound("does not exist".to_owned())
}

fn down() -> SecretError {
    SecretError::Unavailable("down".to_owned())
}

async fn renew(store: &CachedStore, stale: &str) -> Result<String, SecretError> {
    let reference = SecretRef::parse(REFERENCE).expect("a reference");
    store.renew(&reference, &stale.into()).await.map(|secret| secret.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn se_s_6_a_value_counts_for_300_s_and_a_rotation_is_seen_then() {
    let (store, cache) = cached("one");
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("one"));
    store.answer(Ok("two"));
    advance(Duration::from_millis(299_999)).await;
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("one"));
    assert_eq!(store.asked(), 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("two"));
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn se_s_6_a_missing_secret_is_asked_for_again_after_10_s() {
    let (store, cache) = cached("");
    store.answer(Err(missing()));
    assert_eq!(resolve(&cache, REFERENCE).await, Err(missing()));
    store.answer(Ok("there"));
    advance(Duration::from_millis(9_999)).await;
    assert_eq!(resolve(&cache, REFERENCE).await, Err(missing()));
    advance(Duration::from_millis(1)).await;
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("there"));
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn se_s_6_a_failure_is_not_kept_and_an_old_value_does_not_stand_in_for_it() {
    let (store, cache) = cached("one");
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("one"));
    store.answer(Err(down()));
    advance(Duration::from_secs(299)).await;
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("one"), "while the value counts");
    advance(Duration::from_secs(1)).await;
    assert_eq!(resolve(&cache, REFERENCE).await, Err(down()));
    store.answer(Ok("two"));
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("two"), "at once");
}

#[tokio::test(start_paused = true)]
async fn se_s_6_one_look_up_per_reference_is_in_flight_and_outlives_who_began_it() {
    let (store, cache) = cached("one");
    store.gate.forget_permits(Semaphore::MAX_PERMITS);
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { resolve(&cache, REFERENCE).await }
    });
    while store.asked() == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.expect_err("it was aborted").is_cancelled());
    let others = (0..100).map(|_| resolve(&cache, REFERENCE));
    let another = resolve(&cache, "vault:hr/other");
    let opening = async {
        while store.asked() < 2 {
            tokio::task::yield_now().await;
        }
        store.gate.add_permits(2);
    };
    let (answers, other, ()) = tokio::join!(join_all(others), another, opening);
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("one")), "{answers:?}");
    assert_eq!(other.as_deref(), Ok("one"));
    assert_eq!(store.asked(), 2, "one per reference");
}

#[tokio::test(start_paused = true)]
async fn rt_12_a_refused_value_is_looked_up_anew_and_a_newer_one_is_not() {
    let (store, cache) = cached("one");
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("one"));
    store.answer(Ok("two"));
    assert_eq!(renew(&cache, "one").await.as_deref(), Ok("two"), "at once");
    assert_eq!(store.asked(), 2);
    store.answer(Ok("three"));
    assert_eq!(renew(&cache, "one").await.as_deref(), Ok("two"), "another caller still had the first");
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("two"));
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn rt_12_a_storm_of_refusals_makes_one_look_up_a_second() {
    let (store, cache) = cached("refused");
    assert_eq!(resolve(&cache, REFERENCE).await.as_deref(), Ok("refused"));
    for _ in 0..1_000 {
        let answers = join_all((0..10).map(|_| renew(&cache, "refused"))).await;
        assert!(answers.iter().all(|answer| answer.as_deref() == Ok("refused")), "{answers:?}");
        advance(Duration::from_millis(5)).await;
    }
    // 5 s, the first and the last second included.
    assert_eq!(store.asked(), 1 + 5);
    store.answer(Err(down()));
    advance(Duration::from_secs(1)).await;
    assert_eq!(renew(&cache, "refused").await, Err(down()));
    assert_eq!(renew(&cache, "refused").await, Err(down()));
    assert_eq!(store.asked(), 1 + 5 + 1, "also while the store is down");
}

#[tokio::test(start_paused = true)]
async fn se_s_6_no_more_than_1000_secrets_are_held_and_the_oldest_goes_first() {
    let (store, cache) = cached("one");
    for number in 0..1_001 {
        resolve(&cache, &format!("vault:key-{number}")).await.expect("a secret");
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(store.asked(), 1_001);
    resolve(&cache, "vault:key-1").await.expect("a secret");
    assert_eq!(store.asked(), 1_001, "it is held");
    resolve(&cache, "vault:key-0").await.expect("a secret");
    assert_eq!(store.asked(), 1_002, "it had gone");
}

#[tokio::test]
async fn a_look_up_that_breaks_off_is_told_and_does_not_stand_in_the_way_of_the_next() {
    let (store, cache) = cached("one");
    store.gate.close();
    let text = "the look-up of the secret `vault:hr/key` broke off".to_owned();
    for _ in 0..2 {
        assert_eq!(resolve(&cache, REFERENCE).await, Err(SecretError::Unavailable(text.clone())));
    }
    assert_eq!(store.asked(), 2);
}
