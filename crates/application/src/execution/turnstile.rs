//! Where attempts wait for a permit of their connector's rate limit, or for the end of its pause (RL-1 to RL-3, RT-7).
//!
//! A connector has one queue per process, first come first served. One task per queue asks the store, for as many as
//! are waiting; it lives as long as somebody waits. What the store has granted goes to those who have waited longest. A
//! permit that nobody takes any more is lost, never used twice.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use domain::rate_limit::Closed;
use domain::repository::Storage;
use domain::retry::WaitReason;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument;

use super::gate::store_away;
use crate::error::Causes;
use crate::ports::Passed;

/// The longest wait for a permit (RL-3).
const PATIENCE: Duration = Duration::from_secs(5);

/// The most permits of one ask.
const BATCH: usize = 64;

/// The store is asked again after so long at the latest: the limit may have been raised, or the pause ended by hand.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A slot that opens at once is waited for so long, rather than asked for in a circle.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Turnstile {
    storage: Arc<dyn Storage>,
    /// A connector has a queue while its task runs.
    queues: Mutex<HashMap<ConnectorId, Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    /// The last answer of the store, where it was not enough.
    last: Option<(Closed, Instant)>,
}

struct Waiter {
    turn: oneshot::Sender<Result<Option<WaitReason>, Failure>>,
    /// What the store has made this one wait for.
    reason: Option<WaitReason>,
}

impl Turnstile {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, queues: Mutex::default() }
    }

    /// Waits for a permit, no longer than RL-3 says and not beyond `until`. Whoever stops waiting gives its place up.
    ///
    /// # Errors
    /// `rate-limited` with the time after which there is a permit if nobody else takes it, `deadline-exceeded` where
    /// `until` came before the store had answered, or that the store is away.
    pub(super) async fn pass(self: &Arc<Self>, connector: ConnectorId, until: Instant) -> Result<Passed, Failure> {
        let came = Instant::now();
        let patience = came + PATIENCE;
        let turn = self.queue_up(connector);
        tokio::select! {
            biased;
            turn = turn => match turn {
                Ok(Ok(reason)) => Ok(Passed { waited: reason.map_or(Duration::ZERO, |_| came.elapsed()), reason }),
                Ok(Err(failure)) => Err(failure),
                // The task that asks the store panicked.
                Err(_) => Err(store_away()),
            },
            () = sleep_until(until.min(patience)) => Err(self.too_late(connector, until < patience)),
        }
    }

    fn queue_up(self: &Arc<Self>, connector: ConnectorId) -> oneshot::Receiver<Result<Option<WaitReason>, Failure>> {
        let (sender, receiver) = oneshot::channel();
        let mut queues = self.queues();
        let is_first = !queues.contains_key(&connector);
        queues.entry(connector).or_default().waiting.push_back(Waiter { turn: sender, reason: None });
        drop(queues);
        if is_first {
            // Not within this call, which may be abandoned while others wait.
            tokio::spawn(Arc::clone(self).serve(connector).in_current_span());
        }
        receiver
    }

    /// Asks the store for those who wait, until nobody does.
    async fn serve(self: Arc<Self>, connector: ConnectorId) {
        let serving = AssertUnwindSafe(async {
            while let Some(wanted) = self.wanted(connector) {
                let asked = self.storage.take_permits(connector, wanted).await;
                match asked {
                    Ok(permits) => {
                        self.let_go(connector, permits.granted, permits.closed);
                        if let Some(closed) = permits.closed {
                            sleep(closed.opens_after.clamp(LEAST_PAUSE, ASK_AGAIN)).await;
                        }
                    }
                    Err(error) => {
                        tracing::error!(error = %Causes(&error), connector_id = %connector, "cannot ask for permits");
                        self.turn_away(connector);
                    }
                }
            }
        });
        if serving.catch_unwind().await.is_err() {
            tracing::error!(connector_id = %connector, "asking for permits panicked");
            self.queues().remove(&connector);
        }
    }

    /// For how many to ask; with nobody waiting, the queue goes.
    fn wanted(&self, connector: ConnectorId) -> Option<u32> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&connector)?;
        queue.waiting.retain(|waiter| !waiter.turn.is_closed());
        if queue.waiting.is_empty() {
            queues.remove(&connector);
            return None;
        }
        u32::try_from(queue.waiting.len().min(BATCH)).ok()
    }

    fn let_go(&self, connector: ConnectorId, granted: u32, closed: Option<Closed>) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(&connector) else { return };
        let mut left = granted;
        while left > 0
            && let Some(Waiter { turn, reason }) = queue.waiting.pop_front()
        {
            // The permit of one that has gone is the next one's.
            left -= u32::from(turn.send(Ok(reason)).is_ok());
        }
        queue.last = closed.map(|closed| (closed, Instant::now()));
        if let Some(closed) = closed {
            for waiter in &mut queue.waiting {
                waiter.reason = Some(closed.reason);
            }
        }
    }

    /// Without the store nobody is let go (RL-2).
    fn turn_away(&self, connector: ConnectorId) {
        let waiting = self.queues().get_mut(&connector).map(|queue| std::mem::take(&mut queue.waiting));
        for waiter in waiting.into_iter().flatten() {
            waiter.turn.send(Err(store_away())).ok();
        }
    }

    fn too_late(&self, connector: ConnectorId, by_deadline: bool) -> Failure {
        let last = self.queues().get(&connector).and_then(|queue| queue.last);
        let Some((closed, at)) = last else {
            return if by_deadline { out_of_time() } else { store_away() };
        };
        let why = match closed.reason {
            WaitReason::Paused => "the upstream asked to wait, and",
            _ => "the connector's rate limit is used up, and",
        };
        let message = format!("{why} there was no slot in time; no (further) attempt was made");
        // A little more, so that nobody comes back too early.
        let left = closed.opens_after.saturating_sub(at.elapsed()) + LEAST_PAUSE;
        Failure { retry_after: Some(left), ..Failure::new(ErrorCode::RateLimited, message) }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<ConnectorId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store that is merely not asked in time is not away.
fn out_of_time() -> Failure {
    let message = "the deadline left no time to ask for a permit; no (further) attempt was made";
    Failure::new(ErrorCode::DeadlineExceeded, message)
}
