//! What this process remembers about connectors while they are called.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::ConnectorId;
use tokio::time::Instant;

/// A connector that was not asked about for so long starts anew, so that memory is bounded by the connectors of a day.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// Below this many entries it is not worth looking for those that are forgotten.
const SWEEP_FROM: usize = 1_024;

/// A value per connector, at first the default one.
pub(super) struct PerConnector<T>(Mutex<Entries<T>>);

struct Entries<T> {
    by_connector: HashMap<ConnectorId, Entry<T>>,
    sweep_at: usize,
}

struct Entry<T> {
    value: T,
    used: Instant,
}

impl<T: Default> Default for PerConnector<T> {
    fn default() -> Self {
        Self(Mutex::new(Entries { by_connector: HashMap::new(), sweep_at: SWEEP_FROM }))
    }
}

impl<T: Default> PerConnector<T> {
    /// Uses the connector's value. `usage` has to be short: it holds up all others.
    pub(super) fn with<R>(&self, connector: ConnectorId, usage: impl FnOnce(&mut T) -> R) -> R {
        let now = Instant::now();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sweep(now);
        let entry = entries.by_connector.entry(connector).or_insert_with(|| Entry { value: T::default(), used: now });
        if entry.is_forgotten(now) {
            entry.value = T::default();
        }
        entry.used = now;
        usage(&mut entry.value)
    }
}

impl<T> PerConnector<T> {
    /// The connectors that have a value.
    pub(super) fn connectors(&self) -> Vec<ConnectorId> {
        let now = Instant::now();
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.by_connector.iter().filter(|(_, entry)| !entry.is_forgotten(now));
        known.map(|(connector, _)| *connector).collect()
    }

    /// Looks at the connector's value, if it has one that is not forgotten. A look is no use of it.
    pub(super) fn look<R>(&self, connector: ConnectorId, look: impl FnOnce(&T) -> R) -> Option<R> {
        let now = Instant::now();
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_connector.get(&connector).filter(|entry| !entry.is_forgotten(now));
        entry.map(|entry| look(&entry.value))
    }
}

impl<T> Entries<T> {
    /// Once in a while, so that it costs nothing on the whole: no sooner than the entries have doubled.
    fn sweep(&mut self, now: Instant) {
        if self.by_connector.len() >= self.sweep_at {
            self.by_connector.retain(|_, entry| !entry.is_forgotten(now));
            self.sweep_at = SWEEP_FROM.max(self.by_connector.len() * 2);
        }
    }
}

impl<T> Entry<T> {
    fn is_forgotten(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= FORGOTTEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn connector(number: usize) -> ConnectorId {
        ConnectorId::new(Uuid::from_u128(number as u128))
    }

    #[tokio::test(start_paused = true)]
    async fn connectors_have_values_of_their_own_for_a_day() {
        let values = PerConnector::<u32>::default();
        values.with(connector(1), |value| *value = 7);
        assert_eq!(values.with(connector(2), |value| *value), 0);
        tokio::time::advance(FORGOTTEN_AFTER / 2).await;
        assert_eq!(values.with(connector(1), |value| *value), 7);
        tokio::time::advance(FORGOTTEN_AFTER / 2).await;
        assert_eq!(values.with(connector(1), |value| *value), 7, "it was asked about in between");
        assert_eq!(values.look(connector(1), |value| *value), Some(7));
        assert_eq!(values.look(connector(3), |value| *value), None);
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert_eq!(values.look(connector(1), |value| *value), None);
        assert_eq!(values.with(connector(1), |value| *value), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn connectors_of_other_days_take_no_memory() {
        let values = PerConnector::<u32>::default();
        for day in 0..10 {
            for number in 0..SWEEP_FROM {
                values.with(connector(day * SWEEP_FROM + number), |value| *value = 1);
            }
            tokio::time::advance(FORGOTTEN_AFTER).await;
        }
        let entries = values.0.lock().expect("not poisoned");
        assert!(entries.by_connector.len() <= 2 * SWEEP_FROM, "{}", entries.by_connector.len());
    }
}
