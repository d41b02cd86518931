//! What is handed in to the journal.

use std::sync::Arc;

use domain::id::LogId;
use domain::integration_log::{Attempt, CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::repository::StorageResult;
use tokio::sync::oneshot;

use super::group::Kept;

/// One write about one call. There is never more than one of the same call at a time.
pub(super) enum Write {
    /// Its beginning.
    Begin { intent: Box<CallIntent>, premise: Premise },
    /// One that ended before it was begun.
    Skip(Box<(CallIntent, Completion)>),
    /// An attempt that failed and is followed by another.
    Attempt { call: LogId, attempt: Box<Attempt> },
    /// Its end.
    Complete(Arc<Outcome>),
}

impl Write {
    /// The call that it is about.
    pub(super) fn call(&self) -> LogId {
        match self {
            Self::Begin { intent, .. } => intent.id,
            Self::Skip(ended) => ended.0.id,
            Self::Attempt { call, .. } => *call,
            Self::Complete(outcome) => outcome.call,
        }
    }
}

/// A write, and who waits for it.
pub(super) struct Entry {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<StorageResult<Option<Kept>>>,
}

impl Entry {
    /// Tells what was kept, or with `None` that it was refused. Nobody may be listening any more.
    pub(super) fn answer(self, answer: StorageResult<Option<Kept>>) {
        self.answer.send(answer).ok();
    }
}
