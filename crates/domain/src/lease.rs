//! Whose a call is. A process holds a lease and extends it while it lives; a call belongs to the lease that it was begun
//! under. When a lease has lapsed, nothing more is written about its calls but that their outcome is unknown (DU-2).

use std::time::Duration;

use crate::id::{ConnectorId, LeaseId, LogId};

/// How long a lease holds after it was opened or extended last, by the clock of the store.
pub const LEASE: Duration = Duration::from_secs(30);

/// What a call was judged by. It begins only if all of it still holds at the moment of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Premise {
    /// The connector as the call knows it, enabled. Every change of a connector raises its version. `None` for a test,
    /// which is made in whatever state its connector is.
    pub connector_version: Option<i64>,
    /// The lease of the process that makes the call.
    pub lease: LeaseId,
}

/// A call whose process is gone, as it was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The call.
    pub id: LogId,
    /// Its connector; `None` for the test of one that is not registered.
    pub connector_id: Option<ConnectorId>,
    /// Under which request it was made.
    pub correlation_id: String,
}
