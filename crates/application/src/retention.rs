//! Removing what is older than the deployment keeps it (DU-8).

use std::sync::Arc;
use std::time::Duration;

use domain::access::Actor;
use domain::audit::Act;
use domain::correlation::CorrelationId;
use domain::idempotency::KEPT;
use domain::repository::StorageResult;
use domain::retention::{Aged, Purge, Purged, Retention, RetentionPeriods};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Causes;
use crate::ports::{Clock, Ids};

/// From the start of the process to its first look, and as much again at most.
const SETTLING: Duration = Duration::from_secs(2);

/// From one look to the next, and a tenth of it more at most.
const INTERVAL: Duration = Duration::from_hours(1);

/// How many are removed in one transaction: few enough that nobody notices how long it holds its locks.
const BATCH: u32 = 1_000;

/// The least pause between two transactions. It is as long as the one before took, so that at least half of the
/// store's time is everybody else's.
const PAUSE: Duration = Duration::from_millis(20);

/// Removes what is old, on every replica: while one is at it the others leave it alone.
pub struct Purger {
    store: Arc<dyn Retention>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    periods: RetentionPeriods,
}

impl Purger {
    /// A purger over its ports.
    #[must_use]
    pub fn new(store: Arc<dyn Retention>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, periods: RetentionPeriods) -> Self {
        Self { store, clock, ids, periods }
    }

    /// Removes soon and then every hour, until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        let mut wait = SETTLING + self.within(SETTLING);
        while !sleeps_until(&stop, wait).await {
            if let Err(error) = self.purge(&stop).await {
                tracing::warn!(error = %Causes(&error), "cannot remove what is older than it is kept");
            }
            wait = INTERVAL + self.within(INTERVAL / 10);
        }
    }

    /// Removes what is old now, or a part of it when `stop` comes or another replica is at it; answers how many calls
    /// and bodies.
    ///
    /// # Errors
    /// The store is away. What was removed before stays removed.
    pub async fn purge(&self, stop: &CancellationToken) -> StorageResult<u64> {
        let at = self.clock.now();
        let correlation_id = CorrelationId::from(self.ids.uuid());
        let mut total = 0;
        for what in [Aged::Bodies, Aged::Logs] {
            let purge = Purge::older(what, self.periods, at);
            let mut removed = 0;
            let goes_on = loop {
                let began = Instant::now();
                let batch = match self.store.purge(&purge, BATCH, &self.act(&correlation_id)).await? {
                    Purged::Elsewhere => break false,
                    Purged::Removed(batch) => batch,
                };
                removed += batch;
                if batch < u64::from(BATCH) {
                    break true;
                }
                if sleeps_until(stop, PAUSE.max(began.elapsed())).await {
                    break false;
                }
            };
            if removed > 0 {
                let (what, began_before) = (what.as_str(), purge.began_before);
                tracing::info!(what, removed, %began_before, %correlation_id, "removed {what} that were older than they are kept");
            }
            total += removed;
            if !goes_on {
                return Ok(total);
            }
        }
        self.forget_keys(stop).await?;
        Ok(total)
    }

    /// Nobody is told of these: their time is over, and what they had the effect of stays.
    async fn forget_keys(&self, stop: &CancellationToken) -> StorageResult<()> {
        let before = self.clock.now() - KEPT;
        while self.store.forget_idempotency_keys(before, BATCH).await? == u64::from(BATCH) {
            if sleeps_until(stop, PAUSE).await {
                break;
            }
        }
        Ok(())
    }

    fn act(&self, correlation_id: &CorrelationId) -> Act {
        Act {
            actor: Actor::system("retention"),
            at: self.clock.now(),
            correlation_id: correlation_id.clone(),
            source_address: None,
        }
    }

    /// Some time below `spread`, so that replicas that start together come one after the other.
    fn within(&self, spread: Duration) -> Duration {
        let milliseconds = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.ids.parent_id().get() % milliseconds)
    }
}

/// Waits; true when `stop` came first.
async fn sleeps_until(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}
