//! Whose turn it is on a connection, and until when (IN): that of the client to ask, of the service to answer, or of the
//! client to take the answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::places::Places;

/// How long a client may take to send the head of a request, from the end of the answer before it on. An idle connection
/// ends after this time, too.
const HEAD: Duration = Duration::from_secs(10);

/// How long a client may take nothing of an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// The turns of one connection.
pub(super) struct Turn {
    state: Mutex<State>,
    places: Arc<Places>,
    /// Cancelled when the connection has to make place for another one.
    pub(super) give_way: CancellationToken,
}

struct State {
    phase: Phase,
    /// Since when the client takes nothing of what there is for it.
    blocked: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For the head of a request.
    Waiting { since: Instant, ticket: u64 },
    /// The request is being read or worked at, or its answer is being made.
    Serving,
    /// The whole answer is made, and not sent yet.
    Sending,
}

/// Made when a request has come; when it goes, so has the last piece of the answer.
pub(super) struct Serving(Arc<Turn>);

impl Turn {
    /// The client of a new connection is to ask.
    pub(super) fn new(places: Arc<Places>) -> Arc<Self> {
        let give_way = CancellationToken::new();
        let state = State { phase: waiting(&places, &give_way), blocked: None };
        Arc::new(Self { state: Mutex::new(state), places, give_way })
    }

    /// A request has come.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.enter(Phase::Serving);
        Serving(Arc::clone(self))
    }

    /// Whether the client is to ask, and no answer is under way.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(self.state().phase, Phase::Waiting { .. })
    }

    /// Whether the service has nothing more to say.
    pub(super) fn has_said_all(&self) -> bool {
        self.state().phase != Phase::Serving
    }

    /// The client took something, or did not.
    pub(super) fn took(&self, something: bool) {
        let mut state = self.state();
        if something {
            state.blocked = None;
        } else {
            state.blocked.get_or_insert_with(Instant::now);
        }
    }

    /// Everything that was there to send is sent.
    pub(super) fn sent(&self) {
        let phase = {
            let mut state = self.state();
            state.blocked = None;
            state.phase
        };
        if phase == Phase::Sending {
            self.enter(waiting(&self.places, &self.give_way));
        }
    }

    /// Completes when the client has used up its time. To be polled after the connection, so that it knows the turn.
    pub(super) async fn overdue(&self, mut timer: Pin<&mut Sleep>) {
        poll_fn(|context| {
            let Some(deadline) = self.deadline() else { return Poll::Pending };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(context)
        })
        .await;
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        match (state.blocked, state.phase) {
            (Some(since), _) => Some(since + ANSWER),
            (None, Phase::Waiting { since, .. }) => Some(since + HEAD),
            (None, Phase::Serving | Phase::Sending) => None,
        }
    }

    fn enter(&self, phase: Phase) {
        let before = std::mem::replace(&mut self.state().phase, phase);
        if let Phase::Waiting { ticket, .. } = before {
            self.places.stop_waiting(ticket);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(places: &Places, give_way: &CancellationToken) -> Phase {
    Phase::Waiting { since: Instant::now(), ticket: places.wait(give_way) }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.enter(Phase::Sending);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.enter(Phase::Sending);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until, timeout};

    use super::*;

    async fn is_overdue(turn: &Turn) -> bool {
        let timer = std::pin::pin!(sleep_until(Instant::now()));
        timeout(Duration::ZERO, turn.overdue(timer)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_head_has_ten_seconds_and_a_request_that_is_worked_at_has_none() {
        let turn = Turn::new(Places::new(1));
        advance(Duration::from_millis(9_990)).await;
        assert!(!is_overdue(&turn).await);
        advance(Duration::from_millis(20)).await;
        assert!(is_overdue(&turn).await);
        let serving = turn.serve();
        advance(Duration::from_hours(1)).await;
        assert!(!is_overdue(&turn).await);
        drop(serving);
        turn.sent();
        assert!(!is_overdue(&turn).await, "the next head has its own ten seconds");
        advance(Duration::from_secs(11)).await;
        assert!(is_overdue(&turn).await);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_client_that_takes_nothing_of_its_answer_for_thirty_seconds_is_left() {
        let turn = Turn::new(Places::new(1));
        drop(turn.serve());
        turn.took(false);
        advance(Duration::from_millis(29_990)).await;
        assert!(!is_overdue(&turn).await);
        turn.took(true);
        turn.took(false);
        advance(Duration::from_millis(29_990)).await;
        assert!(!is_overdue(&turn).await, "what it took bought it time");
        turn.took(false);
        advance(Duration::from_millis(20)).await;
        assert!(is_overdue(&turn).await);
    }

    #[tokio::test]
    async fn in_the_connection_that_waits_longest_gives_way_and_one_at_work_does_not() {
        let places = Places::new(3);
        let turns = [0, 1, 2].map(|_| Turn::new(Arc::clone(&places)));
        let working = turns[0].serve();
        places.clear();
        assert_eq!(turns.each_ref().map(|turn| turn.give_way.is_cancelled()), [false, true, false]);
        drop(working);
        turns[0].sent();
        places.clear();
        assert_eq!(turns.each_ref().map(|turn| turn.give_way.is_cancelled()), [false, true, true]);
        places.clear();
        assert!(turns[0].give_way.is_cancelled());
    }
}
