//! A client on a bare socket, so that odd requests can be sent. It checks what the contract says of every answer
//! without exception.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer that takes longer has been forgotten.
const PATIENCE: Duration = Duration::from_mins(2);

/// One request.
#[must_use]
pub(crate) struct Request {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        Self { address, head, body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.head.push_str(part);
        }
        self
    }

    /// Presents an API key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let answer = exchange(self.address, &self.bytes()).await;
        answer.check(&self.head);
        answer
    }

    /// The same with a service that may be gone, or go before it has answered; `None` then.
    pub(crate) async fn try_send(self) -> Option<Answer> {
        let answer = Answer::parse(&try_exchange(self.address, &self.bytes()).await?)?;
        answer.check(&self.head);
        Some(answer)
    }

    fn bytes(&self) -> Vec<u8> {
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

/// Sends these bytes on a connection of their own and reads until its end.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let answer = try_exchange(address, bytes).await.expect("the service listens");
    Answer::parse(&answer).expect("the head of an answer")
}

/// Sends these bytes, says there that no more come if `half_close`, and reads every answer until the end of the connection.
pub(crate) async fn converse(address: SocketAddr, bytes: &[u8], half_close: bool) -> Vec<Answer> {
    let conversing = async {
        let mut stream = TcpStream::connect(address).await.expect("the service listens");
        // A refusal may come before the whole request has left.
        stream.write_all(bytes).await.ok();
        if half_close {
            stream.shutdown().await.ok();
        }
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.ok();
        said
    };
    let said = tokio::time::timeout(PATIENCE, conversing).await.expect("an end in time");
    Answer::parse_all(&said)
}

/// What came until the end of the connection; `None` when nobody listens.
async fn try_exchange(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let exchanging = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        // A refusal may come before the whole request has left.
        stream.write_all(bytes).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        Some(answer)
    };
    tokio::time::timeout(PATIENCE, exchanging).await.expect("an answer in time")
}

/// The bytes of chunks, and whether the last one came.
fn joined(mut chunks: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = chunks.windows(2).position(|window| window == b"\r\n") else { return (bytes, false) };
        let size = std::str::from_utf8(&chunks[..end]).expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        if size == 0 {
            return (bytes, true);
        }
        chunks = &chunks[end + 2..];
        if chunks.len() < size + 2 {
            return (bytes, false);
        }
        bytes.extend_from_slice(&chunks[..size]);
        chunks = &chunks[size + 2..];
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether all of the body came that its head, or its last chunk, speaks of.
    pub(crate) whole: bool,
}

impl Answer {
    /// `None` when not even its head came.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in UTF-8");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let status = status.expect("a status line");
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec(), whole: true };
        if answer.header("transfer-encoding") == Some("chunked") {
            (answer.body, answer.whole) = joined(&answer.body);
        }
        Some(answer)
    }

    /// One after the other, each as long as it says.
    fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some(mut answer) = Self::parse(bytes) {
            let head = bytes.len() - answer.body.len();
            let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
            assert!(answer.body.len() >= length, "an answer is cut: {}", answer.text());
            answer.body.truncate(length);
            bytes = &bytes[head + length..];
            answers.push(answer);
        }
        assert!(bytes.is_empty(), "no answer: {}", String::from_utf8_lossy(bytes));
        answers
    }

    /// Asserts what holds for every refusal, also of a request that could not be read.
    #[track_caller]
    pub(crate) fn check_refusal(&self, asked: &str) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{asked}: {}", self.text());
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{asked}");
        let problem = self.json();
        assert_eq!(problem["correlationId"], self.correlation_id(), "{asked}");
        assert_eq!(problem["status"], self.status, "{asked}");
        let code = problem["code"].as_str().unwrap_or_else(|| panic!("{asked}: {problem}"));
        assert_eq!(problem["type"], format!("/problems/{code}"), "{asked}");
        assert!(self.body.ends_with(b"\n"), "{asked}: no newline at the end");
    }

    /// The value of a header that may stand there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    pub(crate) fn correlation_id(&self) -> &str {
        self.header("x-correlation-id").expect("a correlation id")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Asserts that it is the problem of this status and code, and passes its body on.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem:#}");
        problem
    }

    /// The pointers of what is invalid, sorted.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.expect(422);
        let errors = problem["errors"].as_array().expect("errors");
        let mut pointers: Vec<String> =
            errors.iter().filter_map(|error| error["pointer"].as_str()).map(str::to_owned).collect();
        pointers.sort_unstable();
        pointers
    }

    /// What holds for every answer: the correlation id, the media types, the last newline, the members of a problem.
    #[track_caller]
    fn check(&self, head: &str) {
        let asked = head.lines().next().unwrap_or_default();
        let correlation = self.header("x-correlation-id").unwrap_or_else(|| panic!("{asked}: no correlation id"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{asked}");
        let media_type = self.header("content-type").unwrap_or_default();
        if self.body.is_empty() {
            let may_be =
                matches!(self.status, 204 | 300..=399) || asked.starts_with("HEAD ") || asked.contains("/export");
            assert!(may_be, "{asked}: {} has no body", self.status);
            return;
        }
        if self.status >= 400 {
            assert_eq!(media_type, "application/problem+json", "{asked}: {}", self.text());
            self.check_problem(asked, correlation);
        }
        if media_type.contains("json") {
            assert!(self.body.ends_with(b"\n"), "{asked}: no newline at the end");
            let known = ["application/json; charset=utf-8", "application/x-ndjson"];
            assert!(self.status >= 400 || known.contains(&media_type), "{asked}: {media_type}");
        }
    }

    #[track_caller]
    fn check_problem(&self, asked: &str, correlation: &str) {
        let problem = self.json();
        let path = asked.split(' ').nth(1).and_then(|target| target.split('?').next()).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_else(|| panic!("{asked}: {problem}"));
        assert_eq!(problem["type"], format!("/problems/{code}"), "{asked}");
        assert_eq!(problem["status"], self.status, "{asked}");
        assert_eq!(problem["correlationId"], correlation, "{asked}");
        assert_eq!(problem["instance"], path, "{asked}");
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{asked}: {member}");
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            for member in ["pointer", "code", "detail"] {
                assert!(error[member].is_string(), "{asked}: {error}");
            }
        }
        let members = problem.as_object().map_or(0, serde_json::Map::len);
        assert_eq!(members, if problem["errors"].is_null() { 7 } else { 8 }, "{asked}: {problem}");
    }
}
