//! A cache around a store (SE-S-6): for 300 s where it is asked over the network, for a second where it reads files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

/// How long an answer counts. Beyond it a store that is down means no secret, however well the old one might do.
#[derive(Debug, Clone, Copy)]
struct Lives {
    value: Duration,
    missing: Duration,
}

/// Of a store that is asked over the network.
const REMOTE: Lives = Lives { value: Duration::from_mins(5), missing: Duration::from_secs(10) };

/// Of a store at hand: a busy connector does not read its file for every call, and a new file counts within a second.
const LOCAL: Lives = Lives { value: Duration::from_secs(1), missing: Duration::ZERO };

/// Refusals by upstreams make no more than one look-up per reference in this time.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// The most references that are held. A secret has at most 64 KiB.
const MAX_ENTRIES: usize = 1_000;

type Answer = Result<SecretString, SecretError>;

/// Asks the store behind it once per reference at a time: callers that want the same secret wait for the same look-up,
/// and it goes on when they leave. A value is kept for 300 s from the moment it was asked for, a missing one for 10 s (of
/// a store at hand: a second, and not at all); a failure is not kept. Clones share what is held.
#[derive(Clone)]
pub struct CachedStore {
    store: Arc<dyn SecretStore>,
    lives: Lives,
    entries: Arc<Mutex<HashMap<SecretRef, Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// The latest answer, and when it was asked for.
    known: Option<(Answer, Instant)>,
    /// The look-up that is under way.
    flight: Option<watch::Receiver<Option<Answer>>>,
    /// When an upstream's refusal last made a look-up.
    renewed: Option<Instant>,
}

impl Entry {
    /// The answer that still counts.
    fn current(&self, lives: Lives) -> Option<&Answer> {
        let (answer, asked) = self.known.as_ref()?;
        let life = match answer {
            Ok(_) => lives.value,
            Err(SecretError::NotFound(_)) => lives.missing,
            Err(SecretError::Unavailable(_) | SecretError::UnknownStore { .. }) => Duration::ZERO,
        };
        (asked.elapsed() < life).then_some(answer)
    }

    /// What a refused value is answered with, without another look-up: a newer value, or what the look-up of less than
    /// a second ago brought.
    fn instead_of(&self, stale: &SecretString, lives: Lives) -> Option<Answer> {
        if let Some(Ok(value)) = self.current(lives)
            && value.expose_secret() != stale.expose_secret()
        {
            return Some(Ok(value.clone()));
        }
        let known = self.known.as_ref().filter(|_| self.is_just_renewed() && self.under_way().is_none());
        known.map(|(answer, _)| answer.clone())
    }

    fn is_just_renewed(&self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWAL_PAUSE)
    }

    /// The sender of a look-up that panicked is gone.
    fn under_way(&self) -> Option<&watch::Receiver<Option<Answer>>> {
        self.flight.as_ref().filter(|flight| flight.has_changed().is_ok())
    }

    fn is_worth_keeping(&self, lives: Lives) -> bool {
        self.under_way().is_some() || self.current(lives).is_some() || self.is_just_renewed()
    }
}

impl CachedStore {
    /// A cache around a store that is asked over the network.
    #[must_use]
    pub fn remote(store: Arc<dyn SecretStore>) -> Self {
        Self { store, lives: REMOTE, entries: Arc::default() }
    }

    /// A cache around a store on this machine.
    #[must_use]
    pub fn local(store: Arc<dyn SecretStore>) -> Self {
        Self { store, lives: LOCAL, entries: Arc::default() }
    }

    /// The look-up of `reference`: the one that is under way, or a new one. It runs in a task of its own, so that a
    /// caller that goes away does not end it for the others.
    fn look_up(
        &self,
        entries: &mut HashMap<SecretRef, Entry>,
        reference: &SecretRef,
    ) -> watch::Receiver<Option<Answer>> {
        if let Some(flight) = entries.get(reference).and_then(Entry::under_way) {
            return flight.clone();
        }
        make_room(entries, self.lives);
        let (sender, receiver) = watch::channel(None);
        entries.entry(reference.clone()).or_default().flight = Some(receiver.clone());
        let (cache, reference, asked) = (self.clone(), reference.clone(), Instant::now());
        let work = async move {
            let answer = cache.store.resolve(&reference).await;
            if let Some(entry) = cache.lock().get_mut(&reference) {
                entry.known = Some((answer.clone(), asked));
                entry.flight = None;
            }
            sender.send_replace(Some(answer));
        };
        tokio::spawn(work.in_current_span());
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretRef, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SecretStore for CachedStore {
    async fn resolve(&self, reference: &SecretRef) -> Answer {
        let flight = {
            let mut entries = self.lock();
            if let Some(answer) = entries.get(reference).and_then(|entry| entry.current(self.lives)) {
                return answer.clone();
            }
            self.look_up(&mut entries, reference)
        };
        land(flight, reference).await
    }

    async fn renew(&self, reference: &SecretRef, stale: &SecretString) -> Answer {
        let flight = {
            let mut entries = self.lock();
            if let Some(answer) = entries.get(reference).and_then(|entry| entry.instead_of(stale, self.lives)) {
                return answer;
            }
            let flight = self.look_up(&mut entries, reference);
            entries.entry(reference.clone()).or_default().renewed = Some(Instant::now());
            flight
        };
        land(flight, reference).await
    }
}

/// Waits for a look-up.
async fn land(mut flight: watch::Receiver<Option<Answer>>, reference: &SecretRef) -> Answer {
    let landed = flight.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
    landed
        .unwrap_or_else(|| Err(SecretError::Unavailable(format!("the look-up of the secret `{reference}` broke off"))))
}

/// Lets go of what no longer counts, so that old values do not stay in memory, and of the oldest when there are too many.
fn make_room(entries: &mut HashMap<SecretRef, Entry>, lives: Lives) {
    entries.retain(|_, entry| entry.is_worth_keeping(lives));
    while entries.len() >= MAX_ENTRIES {
        let idle = entries.iter().filter(|(_, entry)| entry.under_way().is_none());
        let oldest = idle.min_by_key(|(_, entry)| entry.known.as_ref().map(|(_, asked)| *asked));
        let Some(oldest) = oldest.map(|(reference, _)| reference.clone()) else { break };
        entries.remove(&oldest);
    }
}
