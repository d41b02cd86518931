//! An upstream on a raw socket: it answers every request as its test says, and remembers them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What follows a request.
pub(crate) enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// The end of the connection.
    Drop,
    /// Silence.
    Hang,
    /// The same, after this time.
    Later(Duration, Box<Reply>),
}

impl Reply {
    /// An answer with this status line (`503 Busy`), these header lines and this body.
    pub(crate) fn with(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        for (name, value) in headers {
            answer.extend([name, ": ", value, "\r\n"]);
        }
        answer.extend(["\r\n", body]);
        Self::Bytes(answer.into_bytes())
    }

    /// The same, after this time.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::Later(delay, Box::new(self))
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::with("200 OK", &[("Content-Type", "application/json")], &body.to_string())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::with(&format!("{status} Scripted"), &[], "")
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Hit {
    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The value of a header that stands there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        let value = values.next();
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

type Answering = dyn Fn(&Hit, usize) -> Reply + Send + Sync;

/// A running upstream; it stops with the test's runtime.
pub(crate) struct Upstream {
    address: SocketAddr,
    hits: watch::Receiver<Vec<Hit>>,
    busy: Arc<Busy>,
}

/// Requests that have come and are not answered.
#[derive(Default)]
struct Busy {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Upstream {
    /// Answers what `answering` makes of a request and its number, from 0.
    pub(crate) async fn start(answering: impl Fn(&Hit, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, hits) = watch::channel(Vec::new());
        let (sender, answering) = (Arc::new(sender), Arc::new(answering));
        let busy = Arc::new(Busy::default());
        let counting = Arc::clone(&busy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&sender), answering.clone(), Arc::clone(&counting)));
            }
        });
        Self { address, hits, busy }
    }

    /// Answers everything with an empty list.
    pub(crate) async fn empty() -> Self {
        Self::start(|_, _| Reply::json(&json!([]))).await
    }

    /// Answers these statuses in turn, the last one from then on.
    pub(crate) async fn statuses(statuses: &'static [u16]) -> Self {
        Self::start(|_, number| match statuses.get(number).or(statuses.last()) {
            Some(200) => Reply::json(&json!({ "ok": true })),
            Some(status) => Reply::status(*status),
            None => Reply::Drop,
        })
        .await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A connector to it that retries at once, with these members over that.
    pub(crate) fn connector(&self, members: &Value) -> Value {
        connector(&self.base_url(), members)
    }

    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.hits.borrow().clone()
    }

    /// How many requests it had to answer at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.busy.most.load(Ordering::SeqCst)
    }

    /// Waits for the first request.
    pub(crate) async fn first_hit(&self) -> Hit {
        self.hit_number(1).await
    }

    /// Waits for the request of that number, from 1.
    pub(crate) async fn hit_number(&self, number: usize) -> Hit {
        let mut hits = self.hits.clone();
        let waiting = hits.wait_for(|hits| hits.len() >= number);
        let found = tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("in time");
        found.expect("a running upstream")[number - 1].clone()
    }
}

/// The members that a connector needs, with these over them.
pub(crate) fn connector(base_url: &str, members: &Value) -> Value {
    let mut connector = json!({
        "name": "Company HR System",
        "connectorType": "HR",
        "endpointBaseUrl": base_url,
        "authenticationType": "None",
        "capabilities": ["pull", "push"],
    });
    for (name, value) in members.as_object().expect("an object") {
        connector[name] = value.clone();
    }
    connector
}

async fn serve(mut stream: TcpStream, hits: Arc<watch::Sender<Vec<Hit>>>, answering: Arc<Answering>, busy: Arc<Busy>) {
    let Some(hit) = read_request(&mut stream).await else { return };
    let mut reply = Reply::Drop;
    hits.send_modify(|hits| {
        reply = answering(&hit, hits.len());
        hits.push(hit);
    });
    busy.most.fetch_max(busy.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    while let Reply::Later(delay, then) = reply {
        tokio::time::sleep(delay).await;
        reply = *then;
    }
    // Before the answer is out: who has read it may have sent the next one already.
    busy.now.fetch_sub(1, Ordering::SeqCst);
    match reply {
        Reply::Bytes(bytes) => {
            // The service may have had enough by now, which is its right.
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
        }
        Reply::Drop | Reply::Later(..) => {}
        Reply::Hang => std::future::pending().await,
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Hit> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut hit = Hit { head, body: String::new() };
    let length = hit.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    hit.body = String::from_utf8_lossy(&body).into_owned();
    Some(hit)
}
