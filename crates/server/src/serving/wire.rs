//! The socket as hyper sees it. hyper answers a head that it cannot read by itself, with a bare status; here that answer is
//! held back, so that a whole one can take its place.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::turn::Turn;

/// How a bare answer of hyper begins.
const BARE: [&[u8]; 3] =
    [b" 400 Bad Request\r\n", b" 414 URI Too Long\r\n", b" 431 Request Header Fields Too Large\r\n"];

/// The only headers that it has.
const BARE_HEADERS: [&[u8]; 3] = [b"content-length: 0", b"connection: close", b"date: "];

/// More than any bare answer has.
const MOST_BARE_BYTES: usize = 256;

/// A socket whose writing is watched, and which is never shut down from above: what has the last word does that.
pub(super) struct Wire {
    stream: TcpStream,
    turn: Arc<Turn>,
}

impl Wire {
    pub(super) const fn new(stream: TcpStream, turn: Arc<Turn>) -> Self {
        Self { stream, turn }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Where the bare answer begins that these bytes end in. It can only stand behind the end of an answer of ours.
    fn bare(&self, bytes: &[u8]) -> Option<usize> {
        if bytes.ends_with(b"\r\n\r\n") && self.turn.has_said_all() { bare_answer(bytes) } else { None }
    }

    fn noted<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.turn.took(written.is_ready());
        written
    }
}

fn bare_answer(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(MOST_BARE_BYTES);
    let found = bytes[tail..].windows(b"HTTP/1.".len()).rposition(|window| window == b"HTTP/1.")?;
    let start = tail + found;
    let status = bytes.get(start + b"HTTP/1.1".len()..)?;
    let headers = BARE.iter().find_map(|line| status.strip_prefix(*line))?.strip_suffix(b"\r\n")?;
    let is_bare = |line: &[u8]| line.is_empty() || BARE_HEADERS.iter().any(|header| line.starts_with(header));
    headers.split(|byte| *byte == b'\n').all(|line| is_bare(line.trim_ascii_end())).then_some(start)
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = match self.bare(bytes) {
            Some(0) => return Poll::Ready(Ok(bytes.len())),
            Some(start) => &bytes[..start],
            None => bytes,
        };
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Heads are in the first one.
        if let Some(first) = slices.first()
            && self.bare(first).is_some()
        {
            return self.poll_write(context, first);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.turn.sent();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_HYPER: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sun, 22 Nov 2026 18:00:00 GMT\r\n\r\n";

    #[test]
    fn a_bare_answer_is_found_at_the_end_of_what_is_written() {
        assert_eq!(bare_answer(OF_HYPER), Some(0));
        let after_another = [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n".as_slice(), OF_HYPER].concat();
        assert_eq!(bare_answer(&after_another), Some(after_another.len() - OF_HYPER.len()));
    }

    #[test]
    fn an_answer_of_ours_is_not_taken_for_one() {
        let ours = b"HTTP/1.1 400 Bad Request\r\nx-correlation-id: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_answer(ours), None);
        assert_eq!(bare_answer(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(bare_answer(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(bare_answer(b"\r\n\r\n"), None);
    }
}
