//! Whether a request was handed to a connection. reqwest tells neither phase nor progress when an attempt is cut off,
//! and RT-5 repeats a POST only where it provably never left.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Turns true, once, when a connection begins to write the request.
#[derive(Debug, Clone, Default)]
pub(super) struct Handover(Arc<AtomicBool>);

impl Handover {
    /// `false` proves that no byte of the request left.
    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn mark(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A request body that notices when it is taken up. Both of hyper's protocols ask `is_end_stream` of the body before
/// they write the head, on the connection's own task and nowhere earlier; should a layer above ever ask, too, the mark
/// comes early, which errs on the safe side.
pub(super) struct WatchedBody {
    left: Option<Bytes>,
    handover: Handover,
}

impl WatchedBody {
    pub(super) fn new(content: Bytes, handover: Handover) -> Self {
        Self { left: (!content.is_empty()).then_some(content), handover }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.handover.mark();
        Poll::Ready(self.left.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.handover.mark();
        self.left.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.as_ref().map_or(0, |content| content.len() as u64))
    }
}
