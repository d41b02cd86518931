//! A server on a raw socket that answers every request with the next step of its script, and counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What follows a request that came whole.
#[derive(Clone)]
pub(crate) enum Step {
    /// These bytes; then the next request is read from the same connection.
    Answer(Vec<u8>),
    /// These bytes, and the end of the connection.
    AnswerAndClose(Vec<u8>),
    /// These bytes, and a TCP reset.
    AnswerAndReset(Vec<u8>),
    /// These bytes, and silence.
    AnswerAndHang(Vec<u8>),
    /// The first bytes, then the second ones one by one.
    Drip(Vec<u8>, Vec<u8>),
    /// The first bytes, then the second ones over and over, until the client has enough.
    Flood(Vec<u8>, Vec<u8>),
}

/// An answer that is all right in itself.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Step {
    Step::Answer(message(status, headers, body.as_bytes()))
}

pub(crate) fn ok() -> Step {
    answer("200 OK", "content-type: application/json\r\n", "{\"ok\":true}")
}

pub(crate) fn status(status: u16) -> Step {
    answer(&format!("{status} Scripted"), "", "why")
}

pub(crate) fn message(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    message.extend_from_slice(body);
    message
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Hit {
    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Every value of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

#[derive(Default)]
struct State {
    script: Vec<Step>,
    hits: Mutex<Vec<Hit>>,
    connections: AtomicUsize,
}

/// A running upstream; it stops with the test's runtime.
pub(crate) struct Upstream {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

impl Upstream {
    /// Plain HTTP; the last step of the script is repeated.
    pub(crate) async fn start(script: impl Into<Vec<Step>>) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same at an address of the test's choice.
    pub(crate) async fn start_at(address: &str, script: impl Into<Vec<Step>>) -> Self {
        Self::listen(address, script.into(), None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(script: impl Into<Vec<Step>>, acceptor: TlsAcceptor) -> Self {
        Self::listen("127.0.0.1:0", script.into(), Some(acceptor)).await
    }

    async fn listen(address: &str, script: Vec<Step>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State { script, ..State::default() });
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let upstream = Self { address, scheme, state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&state)));
            }
        });
        upstream
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/v1/items", self.scheme, self.address)
    }

    /// The same under a host name.
    pub(crate) fn url_at(&self, host: &str) -> String {
        format!("{}://{host}:{}/v1/items", self.scheme, self.port())
    }

    /// The requests that came whole.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.state.hits.lock().expect("not poisoned").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    match acceptor {
        None => converse(stream, &state, |stream| stream.set_zero_linger().expect("a socket")).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, &state, |stream| stream.get_ref().0.set_zero_linger().expect("a socket")).await;
            }
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &State, reset: fn(&S)) {
    while let Some(hit) = read_request(&mut stream).await {
        let index = {
            let mut hits = state.hits.lock().expect("not poisoned");
            hits.push(hit);
            hits.len() - 1
        };
        let step = state.script.get(index).or(state.script.last()).expect("a script").clone();
        match step {
            Step::Answer(bytes) => send(&mut stream, &bytes).await,
            Step::AnswerAndClose(bytes) => {
                send(&mut stream, &bytes).await;
                return stream.shutdown().await.unwrap_or_default();
            }
            Step::AnswerAndReset(bytes) => {
                send(&mut stream, &bytes).await;
                return reset(&stream);
            }
            Step::AnswerAndHang(bytes) => {
                send(&mut stream, &bytes).await;
                return std::future::pending().await;
            }
            Step::Drip(head, bytes) => {
                send(&mut stream, &head).await;
                for byte in bytes {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    send(&mut stream, &[byte]).await;
                }
                return;
            }
            Step::Flood(head, bytes) => {
                send(&mut stream, &head).await;
                while stream.write_all(&bytes).await.is_ok() {}
                return;
            }
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) {
    // The client may be gone by now, which is its right.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Hit> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let mut hit = Hit { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() };
    let length = hit.header("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
    hit.body.resize(length, 0);
    stream.read_exact(&mut hit.body).await.ok()?;
    Some(hit)
}
