//! Reading connectors for calls. Calls of one connector that come together share a read: however many wait, one read of
//! it is under way. A call is never given a read that began before the call came, so sharing shows nothing older than
//! reading alone would.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::connector::Connector;
use domain::error::StorageError;
use domain::id::ConnectorId;
use domain::repository::Storage;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::error::Causes;

type Found = Result<Option<Arc<Connector>>, StorageError>;

pub(super) struct Lookups {
    storage: Arc<dyn Storage>,
    /// Who waits for the next read. A connector has an entry while one is under way.
    waiting: Mutex<HashMap<ConnectorId, Vec<oneshot::Sender<Found>>>>,
}

impl Lookups {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, waiting: Mutex::default() }
    }

    /// The connector as it is now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(super) async fn find(self: &Arc<Self>, connector: ConnectorId) -> Found {
        let (sender, receiver) = oneshot::channel();
        let is_first = match self.waiting().entry(connector) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(sender);
                false
            }
            Entry::Vacant(waiting) => {
                waiting.insert(vec![sender]);
                true
            }
        };
        if is_first {
            // Not within this call, which may be abandoned while others wait.
            tokio::spawn(Arc::clone(self).read_for_all(connector).in_current_span());
        }
        receiver.await.unwrap_or_else(|_| Err(failed("the read of a connector panicked".to_owned())))
    }

    async fn read_for_all(self: Arc<Self>, connector: ConnectorId) {
        while let Some(waiting) = self.next(connector) {
            let read = AssertUnwindSafe(self.storage.find_connector(connector)).catch_unwind().await;
            let Ok(read) = read else {
                self.waiting().remove(&connector);
                return;
            };
            let found = read.map(|found| found.map(Arc::new));
            for waiter in waiting {
                // Who has gone away needs no answer.
                waiter.send(copy(&found)).ok();
            }
        }
    }

    /// Everybody who waits; without anybody, the entry goes.
    fn next(&self, connector: ConnectorId) -> Option<Vec<oneshot::Sender<Found>>> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(&connector).map(std::mem::take).filter(|next| !next.is_empty());
        if next.is_none() {
            waiting.remove(&connector);
        }
        next
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ConnectorId, Vec<oneshot::Sender<Found>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy(found: &Found) -> Found {
    match found {
        Ok(found) => Ok(found.clone()),
        Err(StorageError::Unavailable(source)) => {
            Err(StorageError::Unavailable(Causes(source.as_ref()).to_string().into()))
        }
        Err(error) => Err(failed(Causes(error).to_string())),
    }
}

fn failed(cause: String) -> StorageError {
    StorageError::Failed { context: "reading a connector".to_owned(), source: Some(cause.into()) }
}
