//! A client that sends any bytes, and keeps its connection for the next request.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::exchange::Answer;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request, ready to be written.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) target: Vec<u8>,
    /// All fields but `Host` and `Content-Length`, which are written if they are not among them.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    /// The path without its query.
    pub(super) fn path(&self) -> String {
        let target = String::from_utf8_lossy(&self.target);
        target.split('?').next().unwrap_or_default().to_owned()
    }

    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        let mut field = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        };
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            field("Host", address.to_string().as_bytes());
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        field("Content-Length", self.body.len().to_string().as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A connection to the service, made when it is needed.
pub(super) struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    pub(super) const fn to(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// What is wrong with what came back.
    pub(super) async fn send(&mut self, sent: &Sent) -> Result<Answer, String> {
        let exchanging = async {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => BufReader::new(TcpStream::connect(self.address).await.map_err(|error| error.to_string())?),
            };
            // A refusal may come before the whole request has left.
            let whole = stream.write_all(&sent.bytes(self.address)).await.is_ok();
            let (answer, reusable) = read(&mut stream, sent.method == "HEAD").await?;
            self.stream = (whole && reusable).then_some(stream);
            Ok(answer)
        };
        tokio::time::timeout(PATIENCE, exchanging).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// The answer, and whether another one can follow on the connection.
async fn read(stream: &mut BufReader<TcpStream>, to_head: bool) -> Result<(Answer, bool), String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let length = stream.read_until(b'\n', &mut head).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err(format!("the connection ended after {:?}", String::from_utf8_lossy(&head)));
        }
    }
    let head = String::from_utf8(head).map_err(|_| "the head is not UTF-8".to_owned())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status: status.ok_or("no status")?, headers, body: Vec::new(), whole: true };
    let has_no_body = to_head || matches!(answer.status, 100..200 | 204 | 304);
    let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let length = answer.header("content-length").and_then(|length| length.parse().ok());
    match length {
        _ if has_no_body => {}
        Some(length) => {
            answer.body = vec![0; length];
            stream.read_exact(&mut answer.body).await.map_err(|error| error.to_string())?;
        }
        None => return Err(format!("an answer of unknown length: {head}")),
    }
    // Whoever has not read the whole body reads no further request.
    let reusable = !closes && !matches!(answer.status, 408 | 413);
    Ok((answer, reusable))
}
