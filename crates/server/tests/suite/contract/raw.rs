//! Requests that no well-behaved client sends, and rare ones that are all right.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::exchange::{Answer, exchange};
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";

async fn raw(service: &Service, head: &str, body: &str) -> Answer {
    exchange(service.address(), format!("{head}\r\nHost: localhost\r\nConnection: close\r\n{body}").as_bytes()).await
}

fn given() -> String {
    connector("https://api.example.com", &json!({})).to_string()
}

#[rstest]
#[tokio::test]
async fn a_body_in_chunks_is_a_body(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let (start, rest) = (given()[..10].to_owned(), given()[10..].to_owned());
    let chunks = format!("{:x}\r\n{start}\r\n{:x};extension=1\r\n{rest}\r\n0\r\n\r\n", start.len(), rest.len());
    let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let created = raw(&service, &format!("POST {CONNECTORS} HTTP/1.1"), &format!("{headers}{chunks}")).await;
    assert_eq!(created.expect(201)["version"], 1);

    let large = format!("{:x}\r\n{}\r\n0\r\n\r\n", 1024 * 1024 + 1, " ".repeat(1024 * 1024 + 1));
    let refused = raw(&service, &format!("POST {CONNECTORS} HTTP/1.1"), &format!("{headers}{large}")).await;
    refused.problem(413, "payload-too-large");
}

#[rstest]
#[tokio::test]
async fn a_body_that_ends_early_changes_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let mut stream = TcpStream::connect(service.address()).await.expect("a connection");
    // Whole as JSON, and shorter than it says.
    let (length, body) = (given().len() + 1, given());
    let head = format!("POST {CONNECTORS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    drop(stream);
    let bad_chunk = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n";
    let refused = raw(&service, &format!("POST {CONNECTORS} HTTP/1.1"), bad_chunk).await;
    refused.problem(400, "malformed-request");
    assert_eq!(service.items(CONNECTORS).await, [] as [Value; 0]);
}

#[rstest]
#[tokio::test]
async fn what_is_no_http_is_refused_and_the_service_lives(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for (head, rest) in [
        ("nonsense", "\r\n"),
        ("GET /livez HTTP/9.9", "\r\n"),
        ("GET /li vez HTTP/1.1", "\r\n"),
        ("POST /api/v1/connectors HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}"),
        ("POST /api/v1/connectors HTTP/1.1", "Content-Length: -1\r\n\r\n{}"),
        ("GET /livez HTTP/1.1", "bad header: x\r\n\r\n"),
    ] {
        let answer = raw(&service, head, rest).await;
        assert_eq!(answer.status, 400, "{head} {rest}");
    }
    let long = "a".repeat(30_000);
    assert!(matches!(raw(&service, "GET /livez HTTP/1.1", &format!("X-A: {long}\r\n\r\n")).await.status, 400..=499));
    assert!(matches!(raw(&service, &format!("GET /{long} HTTP/1.1"), "\r\n").await.status, 400..=499));
    let many = "X-A: 1\r\n".repeat(200);
    assert!(matches!(raw(&service, "GET /livez HTTP/1.1", &format!("{many}\r\n")).await.status, 400..=499));
    assert_eq!(service.get("/livez").await.text(), "ok\n");
}
