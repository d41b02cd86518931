//! When keys were last used (SE-A-2): kept in memory and written about once a minute, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::id::ApiKeyId;
use domain::repository::{Storage, StorageResult};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::Causes;

/// From one writing to the next. The first use after a quiet time is written at once.
const INTERVAL: Duration = Duration::from_mins(1);

/// How many are written in one transaction: few enough that nobody notices how long it holds its locks.
const BATCH: usize = 100;

/// The last use of every key that this process has recognised since it last wrote.
pub struct KeyUses {
    storage: Arc<dyn Storage>,
    pending: Mutex<HashMap<ApiKeyId, DateTime<Utc>>>,
    noted: Notify,
}

impl KeyUses {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, pending: Mutex::default(), noted: Notify::new() }
    }

    /// Notes that a key was taken at that moment. Never waits.
    pub(super) fn note(&self, key: ApiKeyId, at: DateTime<Utc>) {
        keep_latest(&mut self.pending(), key, at);
        self.noted.notify_one();
    }

    /// Writes what was noted, until `stop`, and then once more. What the store does not take now it gets a minute later.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.noted.notified() => self.write_or_warn().await,
                () = stop.cancelled() => break,
            }
            if tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_ok() {
                break;
            }
        }
        self.write_or_warn().await;
    }

    async fn write_or_warn(&self) {
        if let Err(error) = self.write().await {
            tracing::warn!(error = %Causes(&error), "cannot write when keys were last used");
            self.noted.notify_one();
        }
    }

    /// Writes what was noted; answers of how many keys.
    ///
    /// # Errors
    /// The store is away. What was not written is noted still.
    pub async fn write(&self) -> StorageResult<usize> {
        let uses: Vec<_> = std::mem::take(&mut *self.pending()).into_iter().collect();
        for (index, batch) in uses.chunks(BATCH).enumerate() {
            if let Err(error) = self.storage.record_key_uses(batch).await {
                let mut pending = self.pending();
                for (key, at) in &uses[index * BATCH..] {
                    keep_latest(&mut pending, *key, *at);
                }
                return Err(error);
            }
        }
        Ok(uses.len())
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<ApiKeyId, DateTime<Utc>>> {
        // Nothing panics while it is held, and a map is whole after every step.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep_latest(uses: &mut HashMap<ApiKeyId, DateTime<Utc>>, key: ApiKeyId, at: DateTime<Utc>) {
    let latest = uses.entry(key).or_insert(at);
    *latest = at.max(*latest);
}
