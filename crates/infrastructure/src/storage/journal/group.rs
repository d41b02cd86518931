//! What became of a group.

use std::collections::HashSet;

use domain::error::StorageError;
use uuid::Uuid;

use super::entry::Write;

/// The calls that something was kept of.
#[derive(Debug, Default)]
pub(super) struct Written(pub(super) HashSet<Uuid>);

impl Written {
    pub(super) fn has(&self, write: &Write) -> bool {
        self.0.contains(&write.call().as_uuid())
    }
}

/// Why a group was not kept.
#[derive(Debug)]
pub(super) enum Broken {
    /// The store could not be reached; nothing was asked of it.
    Away(StorageError),
    /// The store went away before it answered; whether the group was kept is not known.
    Connection(StorageError),
    /// The store does not take it; nothing was kept.
    Refused(StorageError),
}

impl Broken {
    /// The error of a statement.
    pub(super) fn of(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => Self::Connection(error),
            other => Self::Refused(other),
        }
    }
}
