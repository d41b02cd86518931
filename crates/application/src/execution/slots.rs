//! How many calls this process makes at once (RL-4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use domain::id::ConnectorId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Below this many connectors it is not worth looking for those without calls.
const SWEEP_FROM: usize = 1_024;

/// The places for calls: some per connector, some in all.
pub(super) struct Slots {
    per_connector: usize,
    in_all: usize,
    overall: Arc<Semaphore>,
    connectors: Mutex<Connectors>,
}

struct Connectors {
    /// A connector without calls needs no entry: whoever holds a place, or waits for one, keeps it alive.
    places: HashMap<ConnectorId, Weak<Semaphore>>,
    sweep_at: usize,
}

/// The place of one call, given back when this is dropped.
pub(super) struct Slot {
    _own: OwnedSemaphorePermit,
    _overall: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(per_connector: usize, overall: usize) -> Self {
        let connectors = Connectors { places: HashMap::new(), sweep_at: SWEEP_FROM };
        let semaphore = Arc::new(Semaphore::new(overall));
        Self { per_connector, in_all: overall, overall: semaphore, connectors: Mutex::new(connectors) }
    }

    /// A place, if one is free at this moment and nobody waits for it.
    pub(super) fn try_take(&self, connector: ConnectorId) -> Option<Slot> {
        let own = self.places(connector).try_acquire_owned().ok()?;
        let overall = Arc::clone(&self.overall).try_acquire_owned().ok()?;
        Some(Slot { _own: own, _overall: overall })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.in_all - self.overall.available_permits()
    }

    /// How many there are, for people.
    pub(super) fn sizes(&self) -> String {
        let Self { per_connector, in_all, .. } = self;
        format!("this process makes {per_connector} calls at once through a connector, and {in_all} in all")
    }

    /// Waits for a place, first come first served. Whoever waits for one of the connector's own takes none of the others
    /// meanwhile, so that a connector whose upstream hangs does not hold up the rest.
    ///
    /// `None` never comes about: the semaphores are not closed.
    pub(super) async fn take(&self, connector: ConnectorId) -> Option<Slot> {
        let own = self.places(connector).acquire_owned().await.ok()?;
        let overall = Arc::clone(&self.overall).acquire_owned().await.ok()?;
        Some(Slot { _own: own, _overall: overall })
    }

    fn places(&self, connector: ConnectorId) -> Arc<Semaphore> {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = connectors.places.get(&connector).and_then(Weak::upgrade) {
            return places;
        }
        connectors.sweep();
        let places = Arc::new(Semaphore::new(self.per_connector));
        connectors.places.insert(connector, Arc::downgrade(&places));
        places
    }
}

impl Connectors {
    /// Once in a while, so that it costs nothing on the whole: no sooner than the entries have doubled.
    fn sweep(&mut self) {
        if self.places.len() >= self.sweep_at {
            self.places.retain(|_, places| places.strong_count() > 0);
            self.sweep_at = SWEEP_FROM.max(self.places.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn connector(number: usize) -> ConnectorId {
        ConnectorId::new(Uuid::from_u128(number as u128))
    }

    /// A place, if one is free at this moment.
    fn now(slots: &Slots, number: usize) -> Option<Slot> {
        slots.take(connector(number)).now_or_never().flatten()
    }

    #[test]
    fn rl_4_a_connector_has_its_places_and_gets_them_back() {
        let slots = Slots::new(2, 10);
        let (first, _second) = (now(&slots, 1).expect("a place"), now(&slots, 1).expect("a place"));
        assert!(now(&slots, 1).is_none());
        drop(first);
        assert!(now(&slots, 1).is_some());
    }

    #[test]
    fn rl_4_all_connectors_together_have_theirs() {
        let slots = Slots::new(2, 3);
        let held: Vec<_> = [1, 1, 2].into_iter().map(|number| now(&slots, number).expect("a place")).collect();
        assert!(now(&slots, 2).is_none());
        assert!(now(&slots, 3).is_none());
        drop(held);
        assert!(now(&slots, 3).is_some());
    }

    #[tokio::test]
    async fn rl_4_whoever_waits_for_a_blocked_connector_holds_up_nobody_else() {
        let slots = Slots::new(1, 2);
        let _blocked = now(&slots, 1).expect("a place");
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(slots.take(connector(1)))).collect();
        for waiter in &mut waiting {
            assert!(waiter.now_or_never().is_none());
        }
        for _ in 0..10 {
            assert!(now(&slots, 2).is_some());
        }
    }

    #[tokio::test]
    async fn rl_4_places_are_given_first_come_first_served() {
        let slots = Slots::new(1, 1);
        let held = now(&slots, 1).expect("a place");
        let (mut first, mut second) = (Box::pin(slots.take(connector(1))), Box::pin(slots.take(connector(1))));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(second.as_mut().now_or_never().is_none());
        assert!(first.as_mut().now_or_never().is_some());
    }

    #[test]
    fn connectors_without_calls_take_no_memory() {
        let slots = Slots::new(1, 1);
        for number in 0..10 * SWEEP_FROM {
            assert!(now(&slots, number).is_some());
        }
        let connectors = slots.connectors.lock().expect("not poisoned");
        assert!(connectors.places.len() <= SWEEP_FROM, "{}", connectors.places.len());
    }
}
