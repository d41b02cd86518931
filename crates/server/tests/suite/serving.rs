//! `serve` from its start to its end.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Program, Running};

/// An enabled connector to this upstream.
async fn connector_to(service: &Running, upstream: &MockServer) -> String {
    let draft = json!({
        "name": "Upstream", "connectorType": "HR", "endpointBaseUrl": upstream.uri(), "authenticationType": "None",
        "capabilities": ["pull"],
    });
    let created = service.request("POST", "/api/v1/connectors").json(&draft).send().await.expect(201);
    let id = created["id"].as_str().expect("an id").to_owned();
    service.request("POST", &format!("/api/v1/connectors/{id}/enable")).send().await.expect(200);
    id
}

fn program_beside_upstreams() -> Program {
    Program::new().with("CONNECTORS_ALLOW_HTTP", "true").with("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.1")
}

async fn upstream_that_answers_after(delay: Duration) -> MockServer {
    let upstream = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!([])).set_delay(delay);
    Mock::given(any()).respond_with(answer).mount(&upstream).await;
    upstream
}

#[tokio::test]
async fn the_first_start_creates_what_it_needs_and_the_second_finds_it() {
    let program = Program::new();
    let service = program.start(&[]);
    assert_eq!(service.request("GET", "/livez").send().await.status, 200);
    assert_eq!(service.request("GET", "/readyz").send().await.status, 200);
    service.stop();
    let mode = |path: &str| {
        let metadata = std::fs::metadata(program.directory().join(path)).expect(path);
        (metadata.is_dir(), metadata.permissions().mode() & 0o777)
    };
    assert_eq!(mode("data"), (true, 0o700));
    assert_eq!(mode("data/secrets"), (true, 0o700));
    assert!(!mode("data/connectors.db").0);
    program.start(&["serve"]).stop();
}

#[test]
fn a_port_that_is_taken_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = Program::new().run(&["serve", "--listen", &address]);
    assert_eq!(ended.code, Some(1));
    let expected = format!("connectors: another program listens on {address} already; stop it, or choose another");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

#[tokio::test]
async fn sigterm_lets_requests_under_way_finish() {
    let upstream = upstream_that_answers_after(Duration::from_secs(1)).await;
    let program = program_beside_upstreams();
    let mut service = program.start(&[]);
    let id = connector_to(&service, &upstream).await;
    let body = json!({ "operationType": "pull", "endpoint": "/" });
    let call = service.request("POST", &format!("/api/v1/connectors/{id}/execute")).json(&body);
    let answering = tokio::spawn(call.send());
    while upstream.received_requests().await.is_none_or(|requests| requests.is_empty()) {
        tokio::task::yield_now().await;
    }
    service.signal("TERM");
    service.wait_for_line("ending");
    let answer = answering.await.expect("an answer").expect(200);
    assert_eq!(answer["log"]["status"], "Success", "{answer}");
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let upstream = upstream_that_answers_after(Duration::from_secs(14)).await;
    let program = program_beside_upstreams();
    let mut service = program.start(&[]);
    let id = connector_to(&service, &upstream).await;
    let body = json!({ "operationType": "pull", "endpoint": "/" });
    let call = service.request("POST", &format!("/api/v1/connectors/{id}/execute")).json(&body);
    let answering = tokio::spawn(call.send());
    while upstream.received_requests().await.is_none_or(|requests| requests.is_empty()) {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    service.signal("INT");
    service.wait_for_line("ending");
    service.signal("INT");
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(1));
    assert!(log.last().is_some_and(|line| line.contains("ended at once by a second signal")), "{log:#?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    answering.abort();
}

#[tokio::test]
async fn every_line_of_a_request_has_its_correlation_id() {
    let upstream = upstream_that_answers_after(Duration::ZERO).await;
    let program = program_beside_upstreams();
    let service = program.start(&[]);
    let id = connector_to(&service, &upstream).await;
    let body = json!({ "operationType": "pull", "endpoint": "/" });
    let call = service.request("POST", &format!("/api/v1/connectors/{id}/execute")).json(&body);
    call.header("X-Correlation-ID", "corr-12345").send().await.expect(200);
    let log = service.stop();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let said = |message: &str| {
        lines.iter().filter(|line| line["message"] == message && line["correlation_id"] == "corr-12345").count()
    };
    assert_eq!(said("call completed"), 1, "{log:#?}");
    assert_eq!(said("request completed"), 1, "{log:#?}");
    let of_a_request = |line: &&Value| line["message"] == "call completed" || line["message"] == "request completed";
    assert!(lines.iter().filter(of_a_request).all(|line| line["correlation_id"].is_string()), "{log:#?}");
}

#[test]
fn a_head_that_does_not_come_ends_the_connection_and_holds_up_nobody() {
    let program = Program::new();
    let service = program.start(&[]);
    let begun = Instant::now();
    let mut slow = TcpStream::connect(service.address).expect("a connection");
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").expect("half a head");
    slow.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let mut rest = Vec::new();
    match slow.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!((Duration::from_secs(9)..Duration::from_secs(20)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
