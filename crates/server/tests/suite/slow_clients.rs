//! Clients that take their time, by the thousand (IN).

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use test_support::Engine::Sqlite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::program::Program;
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";

/// How long a slow client waits between two bytes.
const DRIP: Duration = Duration::from_millis(500);

/// Far longer than an ordinary request takes, beside whatever else the machine does.
const GENEROUS: Duration = Duration::from_secs(30);

/// What slow clients do.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Silent,
    DripsItsHead,
    DripsItsBody,
    KeptAlive,
    NeverReads,
}

const KINDS: [Kind; 5] = [Kind::Silent, Kind::DripsItsHead, Kind::DripsItsBody, Kind::KeptAlive, Kind::NeverReads];

/// A slow client, until the service ends the connection.
async fn dawdle(kind: Kind, address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let head = "POST /api/v1/connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let mut ended = [0; 256];
    match kind {
        Kind::Silent => {}
        Kind::DripsItsHead => drip(&mut stream, &format!("{head}X-A: {}", "a".repeat(10_000))).await,
        Kind::DripsItsBody => {
            let head = format!("{head}Content-Length: 100000\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok();
            drip(&mut stream, &" ".repeat(10_000)).await;
        }
        Kind::KeptAlive => {
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.ok();
        }
        Kind::NeverReads => {
            let request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
            stream.write_all(&request).await.ok();
            // Nothing is read; that the service has given up shows when more can no longer be sent.
            while stream.write_all(b"\r\n").await.is_ok() {
                sleep(DRIP).await;
            }
        }
    }
    while stream.read(&mut ended).await.is_ok_and(|length| length > 0) {}
}

async fn drip(stream: &mut TcpStream, text: &str) {
    for byte in text.bytes() {
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
        sleep(DRIP).await;
    }
}

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("a running process").count()
}

fn resident(process: u32) -> usize {
    let pages = fs::read_to_string(format!("/proc/{process}/statm")).expect("a running process");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4_096
}

/// Waits until the process has no more than so many descriptors.
async fn wait_for_descriptors(process: u32, most: usize) {
    let begun = Instant::now();
    while descriptors(process) > most {
        assert!(begun.elapsed() < Duration::from_mins(1), "{} descriptors, not {most}", descriptors(process));
        sleep(Duration::from_millis(50)).await;
    }
}

/// Ordinary requests, some of them changes; all are answered in time.
async fn ordinary_requests(service: &Service, when: &str, count: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..count {
        let begun = Instant::now();
        let asked = async {
            if number % 10 == 0 {
                let given = connector("https://api.example.com", &json!({ "name": format!("{when} {number}") }));
                service.post(CONNECTORS, &given).await.expect(201);
            } else {
                service.get(CONNECTORS).await.expect(200);
            }
        };
        timeout(GENEROUS, asked).await.expect("an answer while others are slow");
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_thousand_slow_connections_do_not_disturb_others() {
    let service = Service::start(Sqlite).await;
    ordinary_requests(&service, "before", 1).await;
    let (process, address) = (service.process(), service.address());
    let (before, memory) = (descriptors(process), resident(process));
    let mut slow = JoinSet::new();
    for number in 0..1_000 {
        slow.spawn(dawdle(KINDS[number % KINDS.len()], address));
    }
    let begun = Instant::now();
    while descriptors(process) < before + 900 {
        assert!(begun.elapsed() < Duration::from_mins(1), "only {} connections", descriptors(process) - before);
        sleep(Duration::from_millis(10)).await;
    }
    let took = ordinary_requests(&service, "beside", 100).await;
    let held = resident(process).saturating_sub(memory);
    // They are not helped to their end: whoever waits is gone within 10 s, whoever sends a body within 30 s.
    slow.abort_all();
    wait_for_descriptors(process, before + 10).await;
    let kept = resident(process).saturating_sub(memory);
    let measured = format!(
        "1 000 slow connections: ordinary requests took {:?}, {:?} at most; {} MiB meanwhile, {} MiB afterwards\n",
        took[took.len() / 2],
        took[took.len() - 1],
        held >> 20,
        kept >> 20
    );
    // Past the test harness, which would keep it to itself.
    std::io::stdout().write_all(measured.as_bytes()).expect("standard output");
    assert!(held < 512 << 20, "{held} bytes for slow connections");
    assert!(kept < 256 << 20, "{kept} bytes are kept");
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_connection_that_waits_is_ended_by_the_service_within_its_time() {
    let service = Service::start(Sqlite).await;
    let mut waiting = JoinSet::new();
    for kind in [Kind::Silent, Kind::DripsItsHead, Kind::KeptAlive] {
        let address = service.address();
        waiting.spawn(async move {
            let begun = Instant::now();
            timeout(Duration::from_secs(40), dawdle(kind, address)).await.expect("an end");
            assert!(begun.elapsed() >= Duration::from_secs(9), "{kind:?} ended after {:?}", begun.elapsed());
        });
    }
    waiting.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let program = Program::new().with_open_files(128, 4_096);
    let service = program.start(&["serve"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.process())).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(line.split_whitespace().nth(3), Some("4096"), "{line}");
    let _idle = idle(service.address, 300).await;
    assert_eq!(service.request("GET", "/livez").send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_where_descriptors_are_few_idle_connections_give_way_and_every_request_is_answered() {
    let program = Program::new()
        .with_open_files(400, 400)
        .with("CONNECTORS_EXECUTION_MAX_CONCURRENT_CALLS", "20")
        .with("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0");
    let service = program.start(&["serve"]);
    let idle = idle(service.address, 1_000).await;
    for _ in 0..100 {
        service.request("GET", CONNECTORS).send().await.expect(200);
    }
    drop(idle);
    let log = service.stop();
    assert!(log.iter().all(|line| !line.contains("cannot accept")), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("the limit of open files bounds the connections")), "{log:#?}");
}

/// Connections that say nothing.
async fn idle(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(address).await.expect("a connection"));
    }
    streams
}
