//! How a connection ends: with an answer to what hyper could not read, and so that the client gets to hear it.

use std::net::SocketAddr;
use std::time::Duration;

use api::{HeadFault, MAX_HEADERS, MAX_URL_BYTES};
use application::ports::Clock;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http_body_util::{BodyExt, Collected};
use infrastructure::system::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt;

/// The most bytes of a head that is read at all. The router judges the parts of what is smaller by their own bounds, with
/// whatever the request brought along; this is above all of them together.
pub(super) const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long the last answer of a connection has to be taken.
const SENDING: Duration = Duration::from_secs(5);

/// For how long what a client still sends is read, and not looked at. Without that, its system would take the end of the
/// connection for a failure, and throw away the answer that it has received already.
const LINGERING: Duration = Duration::from_secs(2);

/// How the first message of TLS begins: a handshake of a version 3.x.
const TLS: &[u8] = &[0x16, 0x03];

/// More than a method and its space have.
const METHOD_BYTES: usize = 32;

/// What is wrong with a head that hyper gave up, and that begins with `read`; `None` where nobody waits for an answer.
pub(super) fn fault(error: &hyper::Error, read: &[u8]) -> Option<HeadFault> {
    if error.is_parse_version_h2() {
        return Some(HeadFault::Http2);
    }
    if error.is_parse_too_large() {
        let is_whole = read.len() < MAX_HEAD_BYTES && read.split(|byte| *byte == b'\n').count() <= MAX_HEADERS;
        if is_whole {
            // hyper calls a length too large that it cannot count, after it has taken the head.
            return Some(HeadFault::BodyTooLarge);
        }
        let line = read.iter().position(|byte| *byte == b'\n').unwrap_or(read.len());
        let url_alone = line > MAX_URL_BYTES + METHOD_BYTES;
        return Some(if url_alone { HeadFault::UrlTooLong } else { HeadFault::HeadersTooLarge });
    }
    let malformed = if read.starts_with(TLS) { HeadFault::Tls } else { HeadFault::Malformed };
    error.is_parse().then_some(malformed)
}

/// Answers with the problem of the fault, as the router makes it.
pub(super) async fn answer(stream: &mut TcpStream, fault: HeadFault, peer: SocketAddr, router: Router) {
    let mut request: Request = fault.into_request();
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(answer) = router.oneshot(request).await;
    let bytes = written(answer).await;
    timeout(SENDING, stream.write_all(&bytes)).await.ok();
}

async fn written(answer: Response) -> Vec<u8> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let date = SystemClock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::try_from(date) {
        head.headers.insert(DATE, date);
    }
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// Says that there is no more to come, and waits a little for the client to say so, too.
pub(super) async fn part(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 4_096];
    let ending = async { while stream.read(&mut unread).await.is_ok_and(|length| length > 0) {} };
    timeout(LINGERING, ending).await.ok();
}
