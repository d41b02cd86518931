//! Ending the calls of processes that are gone (DU-2): never as a success, and never by making them again.

use std::sync::Arc;
use std::time::Duration;

use domain::repository::{Storage, StorageResult};
use tokio_util::sync::CancellationToken;

use crate::error::Causes;
use crate::ports::{Clock, Meter};

/// How often is looked for them: with the 30 s of a lease, a call is ended well within 60 s of its process.
const INTERVAL: Duration = Duration::from_secs(5);

/// How many are ended in one transaction.
const BATCH: u32 = 200;

/// Recovers orphaned calls, on every replica: who comes first does it.
pub struct Recovery {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
}

impl Recovery {
    /// A recovery over its ports.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, meter: Arc<dyn Meter>) -> Self {
        Self { storage, clock, meter }
    }

    /// Recovers until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.recover().await {
                tracing::warn!(error = %Causes(&error), "cannot look for calls without a process");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Recovers what there is now; answers how many.
    ///
    /// # Errors
    /// The store is away.
    pub async fn recover(&self) -> StorageResult<usize> {
        let mut recovered = 0;
        loop {
            let orphans = self.storage.recover_orphans(self.clock.now(), BATCH).await?;
            for orphan in &orphans {
                if let Some(connector) = orphan.connector_id {
                    self.meter.call_recovered(connector);
                }
                tracing::warn!(
                    log_id = %orphan.id,
                    connector_id = orphan.connector_id.map(tracing::field::display),
                    correlation_id = orphan.correlation_id,
                    error_code = "outcome-unknown",
                    "the process of a call is gone or has abandoned it; its outcome is unknown"
                );
            }
            recovered += orphans.len();
            if orphans.len() < BATCH as usize {
                return Ok(recovered);
            }
        }
    }
}
