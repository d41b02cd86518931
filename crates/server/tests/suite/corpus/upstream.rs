//! An upstream that answers every case as its script says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::line::Script;
use super::text;
use super::values::Values;

type Answers = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// The running upstream; it stops with the test's runtime.
pub(super) struct Upstream {
    address: SocketAddr,
    answers: Answers,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = Answers::default();
        let served = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { address, answers }
    }

    /// Answers so below a base URL of its own, which is told.
    pub(super) fn answer(&self, number: usize, script: &Script, values: &Values) -> String {
        let body = text::bytes(&values.fill(&script.body));
        let mut answer = Vec::new();
        for line in &script.head {
            answer.extend(text::bytes(&values.fill(line)));
            answer.extend_from_slice(b"\r\n");
        }
        if script.length {
            answer.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        answer.extend_from_slice(b"\r\n");
        answer.extend(body);
        self.answers.lock().expect("no panic").insert(number.to_string(), answer);
        format!("http://{}/{number}", self.address)
    }
}

/// One answer, and the end of the connection.
async fn serve(stream: TcpStream, answers: Answers) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
            return;
        }
    }
    let number = head.split('/').nth(1).unwrap_or_default();
    let answer = answers.lock().expect("no panic").get(number).cloned().unwrap_or_default();
    // The service may have had enough by now, which is its right.
    stream.write_all(&answer).await.ok();
    stream.shutdown().await.ok();
}
