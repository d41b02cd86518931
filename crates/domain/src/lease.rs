//! Whose a call is. A process holds a lease and extends it while it lives; a call belongs to the lease that it was begun
//! under. When a lease has lapsed, nothing more is written about its calls but that their outcome is unknown (DU-2).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::id::{ConnectorId, LeaseId, LogId};

/// How long a lease holds after it was opened or extended last, by the clock of the store.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long a call can be in progress: the longest deadline, the half minute in which its outcome is kept trying (DU-4),
/// and as much again for clocks that differ. Beyond that nobody will write its outcome, even if the process lives.
const LONGEST_CALL: Duration = Duration::from_mins(10);

/// A call that began before this moment and is still in progress at `now` is abandoned, whatever its lease says.
#[must_use]
pub fn abandoned_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now - LONGEST_CALL
}

/// What a call was judged by. It begins only if all of it still holds at the moment of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Premise {
    /// The connector as the call knows it, enabled. Every change of a connector raises its version. `None` for a test,
    /// which is made in whatever state its connector is.
    pub connector_version: Option<i64>,
    /// The lease of the process that makes the call.
    pub lease: LeaseId,
}

/// A call whose process is gone or has abandoned it, as it was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The call.
    pub id: LogId,
    /// Its connector; `None` for the test of one that is not registered.
    pub connector_id: Option<ConnectorId>,
    /// Under which request it was made.
    pub correlation_id: String,
}
