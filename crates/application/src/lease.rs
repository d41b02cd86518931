//! The lease of this process on the calls that it makes (DU-2).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::LeaseId;
use domain::lease::LEASE;
use domain::repository::{Storage, StorageResult};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Causes;
use crate::ports::Ids;

/// How often a lease is extended. Five may fail before it lapses.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Opens a lease with the first call and extends it while the process lives. A lease that has lapsed is never taken up
/// again: the next call opens a new one, and what the old one's calls still want to write is refused by the store.
pub struct LeaseKeeper {
    storage: Arc<dyn Storage>,
    ids: Arc<dyn Ids>,
    held: Mutex<Option<Held>>,
    /// One opens at a time.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy)]
struct Held {
    lease: LeaseId,
    /// Counted from before the store was asked, so that it never ends later than the store's own count.
    until: Instant,
}

impl LeaseKeeper {
    /// A keeper that holds nothing yet.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, ids: Arc<dyn Ids>) -> Self {
        Self { storage, ids, held: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// The lease that calls are begun under. Opens one when none is held.
    ///
    /// # Errors
    /// The store is away.
    pub async fn lease(&self) -> StorageResult<LeaseId> {
        if let Some(lease) = self.held_now() {
            return Ok(lease);
        }
        let _turn = self.opening.lock().await;
        if let Some(lease) = self.held_now() {
            return Ok(lease);
        }
        let (asked, lease) = (Instant::now(), LeaseId::new(self.ids.uuid()));
        self.storage.open_lease(lease).await?;
        tracing::info!(%lease, "opened the lease of this process on its calls");
        *self.held() = Some(Held { lease, until: asked + LEASE });
        Ok(lease)
    }

    /// Whether `lease` still holds. A process that was stopped for longer than a lease finds here that it is late.
    #[must_use]
    pub fn holds(&self, lease: LeaseId) -> bool {
        self.held_now() == Some(lease)
    }

    /// Whether any lease holds.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held_now().is_some()
    }

    /// A lease that the store no longer honours is not used again.
    pub fn forget(&self, lease: LeaseId) {
        let mut held = self.held();
        if held.is_some_and(|known| known.lease == lease) {
            *held = None;
        }
    }

    /// Extends the lease until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
            let known = *self.held();
            if let Some(Held { lease, .. }) = known {
                self.extend(lease).await;
            }
        }
    }

    async fn extend(&self, lease: LeaseId) {
        let asked = Instant::now();
        match self.storage.extend_lease(lease).await {
            Ok(true) => {
                let mut held = self.held();
                if let Some(known) = held.as_mut().filter(|known| known.lease == lease) {
                    known.until = asked + LEASE;
                }
            }
            Ok(false) => {
                tracing::error!(%lease, "the lease of this process has lapsed; the outcomes of its calls are unknown");
                self.forget(lease);
            }
            Err(error) => tracing::warn!(%lease, error = %Causes(&error), "cannot extend the lease of this process"),
        }
    }

    /// Ends the lease: whatever is still in progress under it is recovered by the next process that looks.
    pub async fn release(&self) {
        let Some(Held { lease, .. }) = self.held().take() else { return };
        if let Err(error) = self.storage.release_lease(lease).await {
            tracing::warn!(%lease, error = %Causes(&error), "cannot release the lease; it lapses by itself");
        }
    }

    fn held_now(&self) -> Option<LeaseId> {
        self.held().filter(|held| Instant::now() < held.until).map(|held| held.lease)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
