//! The provider's keys, kept: asked for when there are none, when they have grown old, and when a token names one that is
//! not among them, by one request at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::error::Causes;
use application::ports::TokenRejected;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::jwk::KeySet;
use super::provider::{NoKeys, Provider};

/// Keys that are older are asked for again before they are used, so that one that the provider took back is soon gone.
const FRESH: Duration = Duration::from_mins(10);

/// While the provider is away, its keys are used until they are this old.
const USABLE: Duration = Duration::from_hours(24);

/// Tokens with unknown keys make the provider asked at most once in this time, and so do keys that have grown old.
const PAUSE: Duration = Duration::from_mins(1);

/// Without any key, it is asked at most once in this time.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);

/// For both documents together.
const FETCH: Duration = Duration::from_secs(5);

/// The keys of one provider.
pub(super) struct Keyring(Arc<Shared>);

struct Shared {
    provider: Provider,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When it was asked last.
    asked: Option<Instant>,
    /// When it was asked last because of an unknown key.
    asked_for_unknown: Option<Instant>,
    /// The fetch that is under way.
    flight: Option<watch::Receiver<bool>>,
}

impl State {
    fn usable(&self) -> Option<&Arc<KeySet>> {
        self.keys.as_ref().filter(|(_, fetched)| fetched.elapsed() < USABLE).map(|(keys, _)| keys)
    }

    fn are_fresh(&self) -> bool {
        self.keys.as_ref().is_some_and(|(_, fetched)| fetched.elapsed() < FRESH)
    }

    /// The fetch that is under way; the sender of one that panicked is gone.
    fn under_way(&self) -> Option<watch::Receiver<bool>> {
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }

    /// How long it is not asked again.
    fn pause(&self) -> Duration {
        let pause = if self.usable().is_some() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        self.asked.map_or(Duration::ZERO, |asked| pause.saturating_sub(asked.elapsed()))
    }

    fn undecided(&self) -> TokenRejected {
        TokenRejected::Undecided { retry_after: self.pause().max(Duration::from_secs(1)) }
    }
}

impl Keyring {
    pub(super) fn new(provider: Provider) -> Self {
        Self(Arc::new(Shared { provider, state: Mutex::default() }))
    }

    /// The provider's keys: fresh, or while it is away those that it had.
    ///
    /// # Errors
    /// [`TokenRejected::Undecided`]: there are none.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, TokenRejected> {
        let flight = {
            let mut state = self.0.state();
            let is_due = !state.are_fresh() && state.pause().is_zero();
            match state.under_way() {
                // Those who can do without do not wait for it.
                _ if state.are_fresh() => None,
                Some(flight) => Some(flight),
                None if is_due => Some(self.depart(&mut state)),
                None => None,
            }
        };
        land(flight).await;
        self.at_hand()
    }

    /// The keys after a token, looked at since `begun`, named one that is not among `keys`: others, if the provider has
    /// them and may be asked. Keys that were fetched for this very token are not fetched again.
    pub(super) async fn after_unknown_key(&self, keys: &Arc<KeySet>, begun: Instant) -> Arc<KeySet> {
        let flight = {
            let mut state = self.0.state();
            let is_due = state.asked_for_unknown.is_none_or(|asked| asked.elapsed() >= PAUSE)
                && state.asked.is_none_or(|asked| asked < begun);
            let are_others = state.usable().is_some_and(|usable| !Arc::ptr_eq(usable, keys));
            match state.under_way() {
                _ if are_others => None,
                Some(flight) => Some(flight),
                None if is_due => {
                    state.asked_for_unknown = Some(Instant::now());
                    Some(self.depart(&mut state))
                }
                None => None,
            }
        };
        land(flight).await;
        self.at_hand().unwrap_or_else(|_| keys.clone())
    }

    /// The keys that are there.
    ///
    /// # Errors
    /// [`TokenRejected::Undecided`]: there are none.
    fn at_hand(&self) -> Result<Arc<KeySet>, TokenRejected> {
        let state = self.0.state();
        state.usable().cloned().ok_or_else(|| state.undecided())
    }

    /// Begins a fetch, in a task of its own: the caller may go away, and others wait for the same answer.
    fn depart(&self, state: &mut State) -> watch::Receiver<bool> {
        let (sender, flight) = watch::channel(false);
        state.asked = Some(Instant::now());
        state.flight = Some(flight.clone());
        let shared = Arc::clone(&self.0);
        let fetch = async move {
            shared.fetch().await;
            sender.send_replace(true);
        };
        tokio::spawn(fetch.in_current_span());
        flight
    }
}

impl Shared {
    async fn fetch(&self) {
        let asked = Instant::now();
        let fetched = timeout(FETCH, self.provider.keys()).await;
        let mut state = self.state();
        state.flight = None;
        match fetched {
            Ok(Ok(keys)) => {
                tracing::info!(keys = keys.len(), "the identity provider's keys were fetched");
                state.keys = Some((Arc::new(keys), asked));
            }
            Ok(Err(error)) => {
                if matches!(error, NoKeys::TakenBack) {
                    state.keys = None;
                }
                tracing::warn!(error = %Causes(&error), "the identity provider's keys cannot be fetched");
            }
            Err(_) => {
                let error = format!("no answer within {} s", FETCH.as_secs());
                tracing::warn!(error, "the identity provider's keys cannot be fetched");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a fetch has ended, however it did.
async fn land(flight: Option<watch::Receiver<bool>>) {
    if let Some(mut flight) = flight {
        // The error says that the fetch broke off.
        let _ = flight.wait_for(|landed| *landed).await;
    }
}
