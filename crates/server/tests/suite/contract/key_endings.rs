//! SE-A-2: a key that is revoked or has expired is taken by no replica, from the next request on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta};
use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Running;
use crate::support::exchange::Request;
use crate::support::service::Service;

const KEYS: &str = "/api/v1/keys";
const CONNECTORS: &str = "/api/v1/connectors";

/// A service with two more replicas, or alone on the engine that has one process, and the key of its admin.
struct Cluster {
    service: Service,
    others: Vec<Running>,
    admin: String,
}

impl Cluster {
    async fn start(engine: Engine) -> Self {
        let service = Service::with_keys(engine).await;
        let admin = service.key("root", "admin", &[]);
        let count = if engine == Postgres { 2 } else { 0 };
        let others = (0..count).map(|_| service.replica()).collect();
        Self { service, others, admin }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let others = self.others.iter().map(|replica| replica.address);
        [self.service.address()].into_iter().chain(others).collect()
    }

    async fn create(&self, body: &Value) -> Value {
        self.service.request("POST", KEYS).key(&self.admin).json(body).send().await.expect(201)
    }

    /// What every replica answers to the key, one after the other.
    async fn statuses(&self, key: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for address in self.addresses() {
            statuses.push(Request::new(address, "GET", CONNECTORS).key(key).send().await.status);
        }
        statuses
    }
}

/// A caller that keeps its connection.
struct Caller {
    stream: TcpStream,
    request: String,
}

impl Caller {
    async fn connect(address: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        let request = format!("GET {CONNECTORS} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n");
        Self { stream, request }
    }

    /// The status of the next request on the same connection.
    async fn ask(&mut self) -> u16 {
        self.stream.write_all(self.request.as_bytes()).await.expect("the connection is kept");
        let mut answer = Vec::new();
        loop {
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).await.expect("an answer");
            assert_ne!(length, 0, "the connection is kept");
            answer.extend_from_slice(&bytes[..length]);
            let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if body.len() >= length.expect("a length") {
                return head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            }
        }
    }
}

#[derive(Clone, Copy)]
enum By {
    Api,
    CommandLine,
}

#[rstest]
#[tokio::test]
async fn se_a_2_a_revoked_key_is_refused_by_every_replica_from_the_next_request_on(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(By::Api, By::CommandLine)] by: By,
) {
    let cluster = Cluster::start(engine).await;
    let key = cluster.create(&json!({ "name": "temp", "role": "viewer" })).await;
    let value = key["key"].as_str().expect("the key").to_owned();
    assert!(cluster.statuses(&value).await.iter().all(|status| *status == 200));

    // Others are asking all the while, each on a connection that it keeps.
    let (told, revoked) = tokio::sync::watch::channel(false);
    let mut callers = Vec::new();
    let mut ready = Vec::new();
    for address in cluster.addresses() {
        let (value, revoked) = (value.clone(), revoked.clone());
        let (asked, begun) = tokio::sync::oneshot::channel();
        ready.push(begun);
        callers.push(tokio::spawn(async move {
            let mut caller = Caller::connect(address, &value).await;
            assert_eq!(caller.ask().await, 200);
            asked.send(()).expect("somebody waits");
            loop {
                let too_late = *revoked.borrow();
                match (caller.ask().await, too_late) {
                    (401, _) => return,
                    (status, false) => assert_eq!(status, 200),
                    (status, true) => panic!("{status} after the revocation"),
                }
            }
        }));
    }
    for begun in ready {
        begun.await.expect("it asks");
    }
    match by {
        By::Api => {
            let revoke = format!("{KEYS}/{}/revoke", key["id"].as_str().expect("an id"));
            cluster.service.request("POST", &revoke).key(&cluster.admin).send().await.expect(200);
        }
        By::CommandLine => cluster.service.run(&["keys", "revoke", "temp"]),
    }
    told.send_replace(true);
    assert!(cluster.statuses(&value).await.iter().all(|status| *status == 401));
    for caller in callers {
        caller.await.expect("refused in time");
    }
    assert!(cluster.statuses(&cluster.admin).await.iter().all(|status| *status == 200), "nobody else is");
}

#[rstest]
#[tokio::test]
async fn se_a_2_a_key_that_expires_while_it_is_in_use_is_refused_by_every_replica(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const LIFE: Duration = Duration::from_secs(3);
    let cluster = Cluster::start(engine).await;
    // The service's own clock says when; it is not behind the moment at which its answer is here.
    let first = cluster.create(&json!({ "name": "first", "role": "viewer" })).await;
    let end = Instant::now() + LIFE;
    let created = DateTime::parse_from_rfc3339(first["createdAt"].as_str().expect("a time")).expect("a time");
    let expires_at =
        (created.to_utc() + TimeDelta::from_std(LIFE).expect("a delta")).to_rfc3339_opts(SecondsFormat::Micros, true);
    let key = cluster.create(&json!({ "name": "temp", "role": "viewer", "expiresAt": expires_at })).await;
    let value = key["key"].as_str().expect("the key");
    assert!(cluster.statuses(value).await.iter().all(|status| *status == 200));
    loop {
        let over = Instant::now() >= end;
        let statuses = cluster.statuses(value).await;
        if over {
            assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
            break;
        }
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
