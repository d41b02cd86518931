//! An upstream for many requests: it keeps connections alive, and remembers no more of the requests than how many
//! there were.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An answer that is nothing but its status.
pub(super) const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Scripted\r\nContent-Length: 0\r\n\r\n";

/// A success.
pub(super) const EMPTY_LIST: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";

/// What follows a request.
pub(super) enum Answer {
    /// These bytes; the connection stays.
    Whole(&'static [u8]),
    /// These bytes, and the end of the connection.
    Cut(&'static [u8]),
}

/// A running upstream for requests without bodies; it stops with the test's runtime.
pub(super) struct Counting {
    pub(super) address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Counting {
    /// Answers what `answering` makes of the number of a request, from 0.
    pub(super) async fn start(answering: fn(usize) -> Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let hits = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&hits);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counted), answering));
            }
        });
        Self { address, hits }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(super) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// `None` when the client has had enough.
async fn serve(mut stream: TcpStream, hits: Arc<AtomicUsize>, answering: fn(usize) -> Answer) -> Option<()> {
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading).lines();
    loop {
        while !lines.next_line().await.ok()??.is_empty() {}
        match answering(hits.fetch_add(1, Ordering::SeqCst)) {
            Answer::Whole(bytes) => writing.write_all(bytes).await.ok()?,
            Answer::Cut(bytes) => return writing.write_all(bytes).await.ok(),
        }
    }
}
