//! How many connections there may be at once, and which one gives way when there are more (IN).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The most connections, however many descriptors there are.
const MOST: usize = 16_384;

/// The fewest, however few descriptors there are.
const FEWEST: usize = 64;

/// Descriptors for everything but connections of callers and calls: the store, secret stores, the log, the runtime.
const RESERVED: usize = 256;

/// After how long a new connection without a place asks again for one that can give way.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The places for connections, and those of them whose connections wait for a request.
pub(super) struct Places {
    free: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next_ticket: u64,
    /// By the order in which they began to wait.
    connections: BTreeMap<u64, CancellationToken>,
}

/// Raises the soft limit of descriptors to the hard one, and answers how many connections of callers that leaves room
/// for beside so many calls at once.
pub(super) fn connections_beside(calls: usize) -> usize {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot raise the limit of open files");
        rlimit::Resource::NOFILE.get_soft().unwrap_or_default()
    });
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let connections = descriptors.saturating_sub(RESERVED).saturating_sub(calls).clamp(FEWEST, MOST);
    if connections < MOST {
        tracing::info!(descriptors, connections, "the limit of open files bounds the connections");
    }
    connections
}

impl Places {
    pub(super) fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(connections)), waiting: Mutex::default() })
    }

    /// A place for a new connection. Where there is none, the connection that has waited for a request longest gives way;
    /// where all are at work, until one of them ends or waits.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
                return place;
            }
            self.clear();
            if let Ok(Ok(place)) = timeout(ASK_AGAIN, Arc::clone(&self.free).acquire_owned()).await {
                return place;
            }
        }
    }

    /// Ends the connection that has waited longest.
    pub(super) fn clear(&self) {
        if let Some((_, connection)) = self.waiting().connections.pop_first() {
            connection.cancel();
        }
    }

    /// This connection waits for a request from now on; `give_way` is cancelled when it has to.
    pub(super) fn wait(&self, give_way: &CancellationToken) -> u64 {
        let mut waiting = self.waiting();
        let ticket = waiting.next_ticket;
        waiting.next_ticket += 1;
        waiting.connections.insert(ticket, give_way.clone());
        ticket
    }

    /// It no longer does.
    pub(super) fn stop_waiting(&self, ticket: u64) {
        self.waiting().connections.remove(&ticket);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
