//! `GET /metrics`, as the built program serves it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use infrastructure::metrics::METRICS;
use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::exchange::{Answer, exchange};
use crate::support::program::Program;
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const OWN_PORT: (&str, &str) = ("CONNECTORS_METRICS_LISTEN", "127.0.0.1:0");

/// An answer of the listener of metrics, which keeps to Prometheus and not to the contract.
async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, request.as_bytes()).await
}

async fn metrics(address: SocketAddr) -> String {
    let answer = get(address, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    answer.text().to_owned()
}

/// The value of a series; its labels come in the order of their making.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[rstest]
#[tokio::test]
async fn rl_5_the_breaker_the_quota_and_every_other_metric_are_seen(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let mut service = Service::configured(engine, &[OWN_PORT]).await;
    let address = service.metrics_address();
    let down = json!({ "name": "Down", "rateLimitPerMinute": 0, "maxRetryAttempts": 1, "retryDelaySeconds": 0 });
    let path = service.register_enabled(&upstream.connector(&down)).await;
    let call = json!({ "operationType": "pull", "endpoint": "/secret-path?" });
    service.post(&format!("{path}/execute"), &call).await.problem(422, "validation-failed");
    let call = json!({ "operationType": "pull", "endpoint": "/secret-path" });
    for _ in 0..6 {
        service.execute(&path, &call).await;
    }
    let limited = json!({ "name": "Limited", "rateLimitPerMinute": 1, "deadlineSeconds": 1, "maxRetryAttempts": 0 });
    let limited = service.register_enabled(&upstream.connector(&limited)).await;
    for _ in 0..2 {
        service.execute(&limited, &call).await;
    }
    service.get("/nothing/here").await.problem(404, "not-found");
    let text = metrics(address).await;

    let id = path.rsplit('/').next().expect("an id");
    let of = |name: &str| value(&text, &format!("{name}{{connector_id=\"{id}\"}}"));
    let failed = |code: &str| {
        value(
            &text,
            &format!("connectors_calls_total{{connector_id=\"{id}\",status=\"Failed\",error_code=\"{code}\"}}"),
        )
    };
    assert_eq!((failed("http-status"), failed("circuit-open")), (Some(5.0), Some(1.0)), "{text}");
    assert_eq!(of("connectors_call_attempts_total"), Some(10.0));
    assert_eq!(of("connectors_call_duration_seconds_count"), Some(6.0));
    assert_eq!((of("connectors_circuit_state"), of("connectors_retry_quota_left")), (Some(2.0), Some(430.0)));
    assert_eq!(value(&text, "connectors_lease_held"), Some(1.0));
    assert_eq!(
        (value(&text, "connectors_calls_in_flight"), value(&text, "connectors_calls_waiting")),
        (Some(0.0), Some(0.0))
    );
    let executed =
        "connectors_http_requests_total{method=\"POST\",route=\"/api/v1/connectors/{id}/execute\",status=\"200\"}";
    assert_eq!(value(&text, executed), Some(8.0));
    assert_eq!(value(&text, "connectors_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}"), Some(1.0));

    let told: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(told, known);
    for never in ["secret-path", "nothing/here", "Down", "127.0.0.1"] {
        assert!(!text.contains(never), "{never}: {text}");
    }
    assert_eq!(get(address, "/livez").await.status, 404, "nothing else is there");
    assert_eq!(service.get("/metrics").await.status, 404, "it is not where callers come");
}

#[rstest]
#[tokio::test]
async fn se_a_5_every_replica_shows_the_newest_head_of_the_audit_and_no_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let mut service = Service::configured(engine, &[OWN_PORT]).await;
    let address = service.metrics_address();
    let text = metrics(address).await;
    assert_eq!(value(&text, "connectors_audit_head_sequence"), Some(0.0), "{text}");
    for name in ["one", "two", "three"] {
        // By another process.
        service.run(&["keys", "create", "--name", name, "--role", "viewer"]);
        let newest = service.items("/api/v1/audit").await.swap_remove(0);
        let text = metrics(address).await;
        assert_eq!(value(&text, "connectors_audit_head_sequence"), newest["sequence"].as_f64());
        let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("connectors_audit_head_info{")).collect();
        let (sequence, hash) = (&newest["sequence"], &newest["hash"]);
        assert_eq!(shown, [format!("connectors_audit_head_info{{sequence=\"{sequence}\",hash={hash}}} 1")]);
    }
}

#[test]
fn a_chosen_address_that_is_taken_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = Program::new().with("CONNECTORS_METRICS_LISTEN", &address).run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    let said = format!("cannot serve metrics at {address}; choose another `metrics_listen`");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
}

#[test]
fn a_default_address_that_is_taken_is_only_warned_of() {
    // Whoever has it already does as well.
    let _taken = TcpListener::bind("127.0.0.1:9090").ok();
    let log = Program::new().without("CONNECTORS_METRICS_LISTEN").start(&["serve"]).stop();
    assert!(log.iter().any(|line| line.contains("\"WARN\"") && line.contains("no metrics are served")), "{log:#?}");
}

#[test]
fn metrics_can_be_switched_off() {
    let log = Program::new().with("CONNECTORS_METRICS_LISTEN", "off").start(&["serve"]).stop();
    assert!(log.iter().all(|line| !line.contains("metrics")), "{log:#?}");
    let ended = Program::new().with("CONNECTORS_METRICS_LISTEN", "9090").run(&["serve"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("must be an IP address with a port, such as `127.0.0.1:9090`, or `off`"),
        "{}",
        ended.stderr
    );
}
