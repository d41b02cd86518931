//! One id from the caller to the upstream, the log, the audit and every line of the service's own log (CO).

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::shape::is_id;
use crate::support::upstream::Upstream;

fn pull() -> Value {
    json!({ "operationType": "pull", "endpoint": "/employees" })
}

#[rstest]
#[tokio::test]
async fn a_correlation_id_is_found_everywhere(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503, 200]).await;
    let verbose = [("CONNECTORS_LOG_LEVEL", "info,api=debug,application=debug,infrastructure=debug")];
    let service = Service::configured(engine, &verbose).await;
    let path = service.register(&upstream.connector(&json!({ "retryDelaySeconds": 0 }))).await;
    let enable = service.request("POST", &format!("{path}/enable")).header("X-Correlation-ID", "enable-1");
    assert_eq!(enable.send().await.correlation_id(), "enable-1");
    let execute = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", "corr-12345");
    let answer = execute.json(&pull()).send().await;
    assert_eq!(answer.correlation_id(), "corr-12345");
    let log = answer.expect(200)["log"].clone();
    assert_eq!(log["correlationId"], "corr-12345");
    for hit in upstream.hits() {
        assert_eq!(hit.header("x-correlation-id"), Some("corr-12345"));
    }
    let traced = service.items("/api/v1/connectors/logs/by-correlation/corr-12345").await;
    assert_eq!(traced, std::slice::from_ref(&log));
    let audit = service.items("/api/v1/audit?correlationId=enable-1").await;
    assert_eq!((audit.len(), &audit[0]["action"]), (1, &json!("connector.enabled")));

    // Between the two neighbours nothing but the call was going on.
    let (lines, _database) = service.stop();
    let end_of = |id: &str| {
        let done = |line: &Value| line["message"] == "request completed" && line["correlation_id"] == id;
        lines.iter().position(done).expect("the last line of a request")
    };
    let of_call = &lines[end_of("enable-1") + 1..=end_of("corr-12345")];
    assert!(of_call.len() >= 4, "{of_call:#?}");
    for line in of_call {
        assert_eq!(line["correlation_id"], "corr-12345", "{line}");
        assert_eq!(line["trace_id"], log["traceId"], "{line}");
    }
}

#[rstest]
#[tokio::test]
async fn an_id_outside_the_grammar_is_replaced_and_nowhere_repeated(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "debug")]).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let too_long = "longcanary".repeat(13);
    let bad = ["bad canary", "canary/1", "canary,1", "<canary>", "canary\u{e9}", "canary%20", "canary\"1", &too_long];
    let mut minted = BTreeSet::new();
    for id in bad {
        let execute = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", id);
        let answer = execute.json(&pull()).send().await;
        assert!(is_id(answer.correlation_id()), "{id}: {}", answer.correlation_id());
        assert_eq!(answer.expect(200)["log"]["correlationId"], answer.correlation_id());
        minted.insert(answer.correlation_id().to_owned());
        let missing = service.request("GET", "/api/v1/nothing").header("X-Correlation-ID", id).send().await;
        assert!(!format!("{:?}{}", missing.headers, missing.text()).contains("canary"), "{id}");
    }
    let repeated = service.request("GET", &path).header("X-Correlation-ID", "canary-a");
    let repeated = repeated.header("X-Correlation-ID", "canary-b").send().await;
    assert!(is_id(repeated.correlation_id()), "{}", repeated.correlation_id());
    assert_eq!(minted.len(), bad.len());
    for hit in upstream.hits() {
        assert!(minted.contains(hit.header("x-correlation-id").expect("an id")), "{}", hit.head);
        assert!(!hit.head.contains("canary"), "{}", hit.head);
    }
    let (lines, database) = service.stop();
    assert!(!json!(lines).to_string().contains("canary"));
    let kept = database.rows("SELECT correlation_id FROM integration_logs WHERE correlation_id LIKE '%canary%'").await;
    assert_eq!(kept, [] as [Vec<String>; 0]);
}

#[rstest]
#[tokio::test]
async fn the_grammar_is_taken_to_its_ends(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let longest = "a".repeat(128);
    for id in ["a", "AZaz09._:~-", &longest] {
        let answer = service.request("GET", "/livez").header("X-Correlation-ID", id).send().await;
        assert_eq!(answer.correlation_id(), id);
    }
}

#[rstest]
#[tokio::test]
async fn a_trace_goes_on_with_a_new_parent_for_every_attempt(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503, 200]).await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "retryDelaySeconds": 0 }))).await;
    let request = service.request("POST", &format!("{path}/execute"));
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let answer = request.header("tracestate", "vendor=1").json(&pull()).send().await;
    let log = answer.expect(200)["log"].clone();
    assert_eq!(log["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_ne!(log["correlationId"], log["traceId"]);
    let mut parents = BTreeSet::from(["00f067aa0ba902b7".to_owned()]);
    for hit in upstream.hits() {
        let fields: Vec<&str> = hit.header("traceparent").expect("a parent").split('-').collect();
        assert_eq!((fields[0], fields[1], fields[3]), ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"));
        assert!(fields[2].len() == 16 && parents.insert(fields[2].to_owned()), "{fields:?}");
        assert_eq!(hit.header("tracestate"), Some("vendor=1"));
    }
    assert_eq!(parents.len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_trace_that_cannot_be_read_is_begun_anew(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let mut traces = BTreeSet::new();
    let bad = [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "nonsense",
    ];
    for traceparent in bad {
        let request = service.request("POST", &format!("{path}/execute")).header("traceparent", traceparent);
        let log = request.json(&pull()).send().await.expect(200)["log"].clone();
        let trace = log["traceId"].as_str().expect("a trace id").to_owned();
        assert!(trace.len() == 32 && !traceparent.contains(&trace), "{traceparent}: {trace}");
        assert!(upstream.hits().last().is_some_and(|hit| hit.head.contains(&trace)));
        traces.insert(trace);
    }
    assert_eq!(traces.len(), bad.len());
}
