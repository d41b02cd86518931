//! What became of a request that was given to the client. reqwest tells neither phase nor progress when an attempt is
//! cut off, and RT-5 repeats a POST only where it provably never left.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body is somewhere between the client and a connection's queue. A connection may take it up at any moment, even
/// right after the attempt was given up.
const UNDECIDED: u8 = 0;
/// A connection began to write the request, or was about to.
const TAKEN_UP: u8 = 1;
/// The body was dropped before any connection took it up: nobody can write the request any more.
const LET_GO: u8 = 2;

/// The fate of one request, told by its [`WatchedBody`]. It is decided once and does not change after that.
#[derive(Debug, Clone, Default)]
pub(super) struct Handover(Arc<AtomicU8>);

impl Handover {
    /// `true` proves that no byte of the request left or ever will. `false` proves nothing: the request was taken up,
    /// or a connection still has it in its queue. Ask after the request's future was dropped, which is what lets go of
    /// a request that waits for a connection.
    pub(super) fn never_left(&self) -> bool {
        self.0.load(Ordering::Acquire) == LET_GO
    }

    fn decide(&self, fate: u8) {
        // The first fate stays. The failure says that there is one.
        let _ = self.0.compare_exchange(UNDECIDED, fate, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// A request body that notices when it is taken up, or dropped instead. Both of hyper's protocols ask `is_end_stream`
/// of the body before they write the head, on the connection's own task and nowhere earlier; should a layer above ever
/// ask, too, the mark comes early, which errs on the safe side. There is one body per request, and it cannot be cloned.
pub(super) struct WatchedBody {
    left: Option<Bytes>,
    handover: Handover,
}

impl WatchedBody {
    pub(super) fn new(content: Bytes, handover: Handover) -> Self {
        Self { left: (!content.is_empty()).then_some(content), handover }
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.handover.decide(LET_GO);
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.handover.decide(TAKEN_UP);
        Poll::Ready(self.left.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.handover.decide(TAKEN_UP);
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.as_ref().map_or(0, |content| content.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    //! With hyper's own connection, polled by hand, over an upstream that takes every byte and never answers.

    use std::future::Future;
    use std::io;
    use std::sync::atomic::AtomicUsize;
    use std::task::Waker;

    use hyper::client::conn::http1;
    use hyper::rt::{Read, ReadBufCursor, Write};

    use super::*;

    /// Counts what is written to it.
    #[derive(Clone, Default)]
    struct Wire(Arc<AtomicUsize>);

    impl Wire {
        fn written(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Read for Wire {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl Write for Wire {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.fetch_add(bytes.len(), Ordering::SeqCst);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A POST in the queue of a connection that has not run since.
    struct Queued {
        sending: Task,
        connection: Task,
        handover: Handover,
        wire: Wire,
    }

    impl Queued {
        fn new() -> Self {
            let (handover, wire) = (Handover::default(), Wire::default());
            let mut handshake = Box::pin(http1::handshake(wire.clone()));
            let Poll::Ready(Ok((mut sender, connection))) = poll(handshake.as_mut()) else {
                panic!("HTTP/1 has no handshake");
            };
            let mut connection: Task = Box::pin(async { drop(connection.await) });
            assert!(poll(connection.as_mut()).is_pending(), "it waits for requests");
            let body = WatchedBody::new(Bytes::from_static(b"{}"), handover.clone());
            let request = hyper::Request::post("/").body(body).expect("a request");
            let answer = sender.try_send_request(request);
            // The pool holds on to the sender as long as the request is under way.
            let sending: Task = Box::pin(async move { drop((answer.await, sender)) });
            Self { sending, connection, handover, wire }
        }
    }

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn rt_5_a_request_that_found_no_connection_never_left() {
        let handover = Handover::default();
        let body = WatchedBody::new(Bytes::new(), handover.clone());
        assert!(!handover.never_left(), "it still may");
        drop(body);
        assert!(handover.never_left());
    }

    #[test]
    fn rt_5_a_request_that_a_connection_took_up_may_have_left() {
        let Queued { sending, mut connection, handover, wire } = Queued::new();
        assert!(poll(connection.as_mut()).is_pending());
        assert!(wire.written() > 0);
        assert!(!handover.never_left());
        drop((sending, connection));
        assert!(!handover.never_left(), "the first fate stays");
    }

    #[test]
    fn rt_5_a_queued_request_may_leave_until_its_connection_lets_go_of_it() {
        let Queued { sending, mut connection, handover, wire } = Queued::new();
        drop(sending);
        assert!(!handover.never_left(), "the connection may have it in hand");
        let _ = poll(connection.as_mut());
        assert!(handover.never_left());
        assert_eq!(wire.written(), 0);
    }

    /// The attempt ends in the very moment in which the connection takes up the request.
    #[test]
    fn rt_5_what_never_left_is_never_written_whoever_is_faster() {
        const ROUNDS: usize = 20_000;
        let (give, take) = std::sync::mpsc::channel::<Task>();
        let turn = Arc::new(AtomicUsize::new(0));
        let meet = |turn: &AtomicUsize, round: usize| {
            turn.fetch_add(1, Ordering::SeqCst);
            for spins in 1_usize.. {
                if turn.load(Ordering::SeqCst) >= 2 * (round + 1) {
                    return;
                }
                // Close together where there are two processors, and never stuck where there is one.
                if spins % 500 == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        };
        let runtime = std::thread::spawn({
            let turn = Arc::clone(&turn);
            move || {
                for (round, mut connection) in take.into_iter().enumerate() {
                    meet(&turn, 2 * round);
                    let _ = poll(connection.as_mut());
                    meet(&turn, 2 * round + 1);
                }
            }
        });
        for round in 0..ROUNDS {
            let Queued { sending, connection, handover, wire } = Queued::new();
            give.send(connection).expect("a runtime");
            meet(&turn, 2 * round);
            (0..round % 200).for_each(|_| std::hint::spin_loop());
            drop(sending);
            let never_left = (0..=round % 20).any(|_| handover.never_left());
            meet(&turn, 2 * round + 1);
            assert!(!never_left || wire.written() == 0, "round {round}: it was said to have never left, and did");
        }
        drop(give);
        runtime.join().expect("no panic");
    }
}
