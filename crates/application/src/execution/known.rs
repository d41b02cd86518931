//! Connectors as the last call through them knew them, so that a call need not read its connector first. What is here
//! may be out of date: the write of the intent asks the store whether it still holds, and refuses the call otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::connector::{Connector, ConnectorStatus};
use domain::id::ConnectorId;

/// With more connectors than this, all are forgotten and read again.
const MOST: usize = 10_000;

/// Enabled connectors, by id.
#[derive(Clone, Default)]
pub(super) struct KnownConnectors {
    connectors: Arc<Mutex<HashMap<ConnectorId, Arc<Connector>>>>,
}

impl KnownConnectors {
    pub(super) fn find(&self, id: ConnectorId) -> Option<Arc<Connector>> {
        self.lock().get(&id).cloned()
    }

    /// Remembers a connector that lets calls out; another one is read anew by every call, since no intent asks for it.
    pub(super) fn remember(&self, connector: &Arc<Connector>) {
        if connector.switch.status == ConnectorStatus::Enabled {
            let mut known = self.lock();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(connector.id, Arc::clone(connector));
        }
    }

    pub(super) fn forget(&self, id: ConnectorId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectorId, Arc<Connector>>> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
