//! What became of a group.

use std::collections::HashMap;

use domain::error::StorageError;
use uuid::Uuid;

use super::entry::Write;

/// A write that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Of a beginning: whether the connector's upstream has asked for a pause that holds.
    pub(super) paused: bool,
}

/// What was kept, by call; what is not here was refused.
#[derive(Debug, Default)]
pub(super) struct Written(pub(super) HashMap<Uuid, Kept>);

impl Written {
    pub(super) fn of(&self, write: &Write) -> Option<Kept> {
        self.0.get(&write.call().as_uuid()).copied()
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
