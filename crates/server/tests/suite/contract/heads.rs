//! The bounds of a request (IN), each at its border: what is allowed passes, one more is refused.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::exchange::{Answer, exchange};
use crate::support::service::Service;
use crate::support::upstream::connector;

const CONNECTORS: &str = "/api/v1/connectors";
const MIB: usize = 1024 * 1024;

async fn ask(service: &Service, target: &str, headers: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    exchange(service.address(), request.as_bytes()).await
}

/// Asserts that it is that problem, whole, and that it repeats nothing of the end of what was sent.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    answer.check_refusal(code);
    answer.problem(status, code);
    assert!(!answer.text().contains("CANARY"), "{}", answer.text());
}

#[tokio::test]
async fn in_a_url_may_have_8_kib() {
    let service = Service::start(Sqlite).await;
    let target = |length: usize| format!("/livez?{}", "a".repeat(length - "/livez?".len()));
    refused(&ask(&service, &target(8 * 1024), "").await, 422, "unknown-member");
    for length in [8 * 1024 + 1, 9_000, 20_000, 100_000] {
        let target = format!("{}CANARY", target(length - "CANARY".len()));
        refused(&ask(&service, &target, "").await, 414, "url-too-long");
    }
    let path = format!("/{}", "a".repeat(8 * 1024));
    refused(&ask(&service, &path, "").await, 414, "url-too-long");
    let named = ask(&service, &format!("{path}CANARY"), "X-Correlation-ID: corr-12345\r\n").await;
    assert_eq!(named.correlation_id(), "corr-12345");
    let (log, _database) = service.stop();
    assert!(log.iter().all(|line| !line.to_string().contains("CANARY") && line.to_string().len() < 2_000));
}

#[tokio::test]
async fn in_headers_may_have_16_kib() {
    let service = Service::start(Sqlite).await;
    // As they are counted: name, value, and four bytes each.
    let others = "Host: localhost\r\nConnection: close\r\nX-A: \r\n".len();
    let padded = |bytes: usize| format!("X-A: {}\r\n", "a".repeat(bytes - others));
    assert_eq!(ask(&service, "/livez", &padded(16 * 1024)).await.status, 200);
    for bytes in [16 * 1024 + 1, 20_000, 100_000] {
        let headers = padded(bytes).replace("aaaaaa\r\n", "CANARY\r\n");
        refused(&ask(&service, "/livez", &headers).await, 431, "headers-too-large");
    }
    // A long URL does not make them shorter, nor they the URL.
    let target = format!("/livez?{}", "a".repeat(8 * 1024 - "/livez?".len()));
    refused(&ask(&service, &target, &padded(16 * 1024)).await, 422, "unknown-member");
}

#[tokio::test]
async fn in_a_request_may_have_100_headers() {
    let service = Service::start(Sqlite).await;
    assert_eq!(ask(&service, "/livez", &"X-A: 1\r\n".repeat(98)).await.status, 200);
    for headers in [99, 200, 1_000] {
        refused(&ask(&service, "/livez", &"X-A: CANARY\r\n".repeat(headers)).await, 431, "headers-too-large");
    }
}

async fn post(service: &Service, headers: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST {CONNECTORS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n"
    );
    exchange(service.address(), &[head.as_bytes(), body].concat()).await
}

#[rstest]
#[tokio::test]
async fn in_a_body_may_have_1_mib_with_its_length_and_in_chunks(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for (name, in_chunks) in [("with its length", false), ("in chunks", true)] {
        let given = connector("https://api.example.com", &json!({ "name": name })).to_string();
        let padded = |length: usize| format!("{given}{}", " ".repeat(length - given.len()));
        for (length, status) in [(MIB, 201), (MIB + 1, 413), (3 * MIB, 413)] {
            let (headers, body) = if in_chunks {
                let pieces = padded(length).into_bytes();
                let chunks = pieces
                    .chunks(60_000)
                    .flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
                ("Transfer-Encoding: chunked\r\n".to_owned(), chunks.chain(*b"0\r\n\r\n").collect())
            } else {
                (format!("Content-Length: {length}\r\n"), padded(length).into_bytes())
            };
            let answer = post(&service, &headers, &body).await;
            assert_eq!(answer.status, status, "{name} {length}: {}", answer.text());
            if status == 413 {
                refused(&answer, 413, "payload-too-large");
            }
        }
    }
    assert_eq!(service.items(CONNECTORS).await.len(), 2);
}

#[tokio::test]
async fn in_json_may_be_32_levels_deep_and_repeats_no_member() {
    let service = Service::start(Sqlite).await;
    let nested =
        |depth: usize| format!("{{\"mappingConfiguration\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let send = async |body: String| {
        service.request("POST", CONNECTORS).header("Content-Type", "application/json").body(body).send().await
    };
    assert_eq!(send(nested(32)).await.status, 422);
    send(nested(33)).await.problem(400, "malformed-json");
    send("{\"name\":\"CANARY\",\"name\":\"CANARY\"}".to_owned()).await.problem(400, "malformed-json");
}

#[tokio::test]
async fn in_who_waits_for_100_continue_is_not_let_send_what_is_refused() {
    let service = Service::with_keys(Sqlite).await;
    let key = service.key("ana", "admin", &[]);
    let given = connector("https://api.example.com", &json!({})).to_string();
    let ask = |authorization: &str, length: usize| {
        format!(
            "POST {CONNECTORS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {authorization}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let authorization = format!("Authorization: Bearer {key}\r\n");
    for (authorization, length, status) in [("", given.len(), 401), (authorization.as_str(), MIB + 1, 413)] {
        let answer = exchange(service.address(), ask(authorization, length).as_bytes()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let mut stream = TcpStream::connect(service.address()).await.expect("a connection");
    stream.write_all(ask(&authorization, given.len()).as_bytes()).await.expect("the head");
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).await.expect("an answer");
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(given.as_bytes()).await.expect("the body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
}

#[tokio::test]
async fn in_a_head_that_is_not_read_has_its_line_in_the_log() {
    let service = Service::start(Sqlite).await;
    let answer = exchange(service.address(), b"CANARY\r\n\r\n").await;
    refused(&answer, 400, "malformed-request");
    let id = answer.correlation_id().to_owned();
    let (log, _database) = service.stop();
    let said: Vec<&Value> = log.iter().filter(|line| line["correlation_id"] == id.as_str()).collect();
    let message = |line: &&&Value| line["message"].as_str().map(str::to_owned);
    let messages: Vec<_> = said.iter().filter_map(|line| message(&line)).collect();
    assert_eq!(messages, ["the head of a request could not be read", "request completed"]);
    assert_eq!(said[0]["reason"], "Malformed");
    assert!(log.iter().all(|line| !line.to_string().contains("CANARY")));
}
