//! An upstream that plays the same script on every connection, byte for byte, and counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::connector;

/// One thing that the upstream does.
#[derive(Clone)]
pub(super) enum Step {
    /// Reads one request to its end, which counts as a hit.
    Read,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes so many times, or until the client has had enough.
    Repeat(Vec<u8>, u64),
    /// Writes these bytes, one a second.
    Drip(Vec<u8>),
    /// Does nothing more, with the connection open.
    Hang,
    /// Ends the connection with a TCP reset. A script without it ends in an orderly way.
    Reset,
}

/// Writes this text.
pub(super) fn write(text: &str) -> Step {
    Step::Write(text.as_bytes().to_vec())
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    hits: AtomicUsize,
    written: AtomicU64,
}

/// A running upstream; it stops with the test's runtime.
pub(super) struct Scripted {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Scripted {
    pub(super) async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Seen>::default();
        let (script, counted) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(stream, Arc::clone(&script), Arc::clone(&counted)));
            }
        });
        Self { address, seen }
    }

    /// A connector to it, with these members over the usual ones.
    pub(super) fn connector(&self, members: &Value) -> Value {
        connector(&format!("http://{}/v1", self.address), members)
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests that came whole.
    pub(super) fn hits(&self) -> usize {
        self.seen.hits.load(Ordering::SeqCst)
    }

    /// How many bytes were taken from it.
    pub(super) fn written(&self) -> u64 {
        self.seen.written.load(Ordering::SeqCst)
    }
}

async fn play(mut stream: TcpStream, script: Arc<Vec<Step>>, seen: Arc<Seen>) {
    for step in script.iter() {
        let goes_on = match step {
            Step::Read => read_request(&mut stream, &seen).await.is_some(),
            Step::Write(bytes) => send(&mut stream, bytes, &seen).await,
            Step::Repeat(bytes, times) => {
                let mut left = *times;
                while left > 0 && send(&mut stream, bytes, &seen).await {
                    left -= 1;
                }
                left == 0
            }
            Step::Drip(bytes) => drip(&mut stream, bytes, &seen).await,
            Step::Hang => std::future::pending().await,
            Step::Reset => return stream.set_zero_linger().expect("a socket"),
        };
        if !goes_on {
            return;
        }
    }
    stream.shutdown().await.ok();
    // What the client still writes has to be read, or the end becomes a reset that overtakes the answer.
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}

async fn drip(stream: &mut TcpStream, bytes: &[u8], seen: &Seen) -> bool {
    for byte in bytes {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !send(stream, &[*byte], seen).await {
            return false;
        }
    }
    true
}

/// Whether the client still takes what it is sent.
async fn send(stream: &mut TcpStream, bytes: &[u8], seen: &Seen) -> bool {
    let taken = stream.write_all(bytes).await.is_ok();
    if taken {
        seen.written.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    }
    taken
}

async fn read_request(stream: &mut TcpStream, seen: &Seen) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    seen.hits.fetch_add(1, Ordering::SeqCst);
    Some(())
}
