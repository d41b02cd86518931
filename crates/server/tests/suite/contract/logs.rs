//! Reading what calls did.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::shape::shape;
use crate::support::upstream::{Reply, Upstream};

const LOGS: &str = "/api/v1/connectors/logs";
const UNKNOWN: &str = "01979a2b-7c00-7000-8000-000000000001";

/// A service with calls of every kind through two connectors, the path of the first connector, and its logs, the
/// oldest first: `Success` 200 (pull), `Failed` 404 (pull), `Success` 201 (push), `Skipped` (pull).
async fn with_calls(engine: Engine) -> (Service, String, Vec<Value>) {
    let upstream = Upstream::start(|hit, _| match hit.request_line() {
        line if line.starts_with("POST") => Reply::with("201 Created", &[], ""),
        line if line.contains("/missing") => Reply::status(404),
        _ => Reply::json(&json!([])),
    })
    .await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let mut logs = Vec::new();
    for (kind, endpoint) in [("pull", "/a"), ("pull", "/missing"), ("push", "/b")] {
        logs.push(call(&service, &path, kind, endpoint).await);
    }
    let other = service.register_enabled(&upstream.connector(&json!({ "name": "Other" }))).await;
    call(&service, &other, "pull", "/c").await;
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    logs.push(call(&service, &path, "pull", "/d").await);
    (service, path, logs)
}

async fn call(service: &Service, connector: &str, kind: &str, endpoint: &str) -> Value {
    let request = service.request("POST", &format!("{connector}/execute")).header("X-Correlation-ID", "night-run");
    let answer = request.json(&json!({ "operationType": kind, "endpoint": endpoint })).send().await;
    answer.expect(200)["log"].clone()
}

fn endpoints(logs: &[Value]) -> Vec<&str> {
    logs.iter().filter_map(|log| log["endpoint"].as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn logs_come_newest_first_and_are_those_of_the_answers(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, path, mut logs) = with_calls(engine).await;
    logs.reverse();
    assert_eq!(service.items(&format!("{path}/logs")).await, logs);
    assert_eq!(endpoints(&service.items(LOGS).await), ["/d", "/c", "/b", "/missing", "/a"]);
    let page = service.get(&format!("{LOGS}?limit=2")).await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    // A newer call does not shift the next page.
    call(&service, &path, "pull", "/e").await;
    let next = service.get(&format!("{LOGS}?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(endpoints(next["items"].as_array().expect("items")), ["/b", "/missing"]);
    service.get(&format!("/api/v1/connectors/{UNKNOWN}/logs")).await.problem(404, "connector-not-found");
}

#[rstest]
#[tokio::test]
async fn every_filter_narrows(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, path, logs) = with_calls(engine).await;
    let id = path.rsplit('/').next().expect("an id");
    let third = logs[2]["startedAt"].as_str().expect("a time");
    let longest = logs.iter().filter_map(|log| log["durationMs"].as_u64()).max().expect("durations");
    for (query, expected) in [
        ("status=Success".to_owned(), vec!["/b", "/a"]),
        ("status=Failed".to_owned(), vec!["/missing"]),
        ("status=Skipped".to_owned(), vec!["/d"]),
        ("status=InProgress".to_owned(), vec![]),
        ("operationType=push".to_owned(), vec!["/b"]),
        ("operationType=test".to_owned(), vec![]),
        ("httpStatusCode=404".to_owned(), vec!["/missing"]),
        (format!("from={third}"), vec!["/d", "/b"]),
        (format!("to={third}"), vec!["/missing", "/a"]),
        (format!("from={third}&to={third}"), vec![]),
        (format!("minDurationMs={}", longest + 1), vec![]),
        ("minDurationMs=0".to_owned(), vec!["/d", "/b", "/missing", "/a"]),
        ("status=Success&operationType=pull&httpStatusCode=200".to_owned(), vec!["/a"]),
    ] {
        let found = service.items(&format!("{path}/logs?{query}")).await;
        assert_eq!(endpoints(&found), expected, "{query}");
        let found = service.items(&format!("{LOGS}?connectorId={id}&correlationId=night-run&{query}")).await;
        assert_eq!(endpoints(&found), expected, "{query}");
    }
    assert_eq!(service.items(&format!("{LOGS}?correlationId=another")).await.len(), 0);
    assert_eq!(service.items(&format!("{LOGS}?connectorId={UNKNOWN}")).await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_filter_that_cannot_be_read_is_named(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for (query, pointer) in [
        ("status=success", "/status"),
        ("from=yesterday", "/from"),
        ("to=2026-02-30T00:00:00Z", "/to"),
        ("from=2026-01-31", "/from"),
        ("httpStatusCode=99", "/httpStatusCode"),
        ("httpStatusCode=OK", "/httpStatusCode"),
        ("minDurationMs=-1", "/minDurationMs"),
        ("minDurationMs=1e3", "/minDurationMs"),
        ("connectorId=x", "/connectorId"),
        ("correlationId=a%20b", "/correlationId"),
        ("limit=0", "/limit"),
        ("colour=red", "/colour"),
    ] {
        assert_eq!(service.get(&format!("{LOGS}?{query}")).await.pointers(), [pointer], "{query}");
    }
    let two = service.get(&format!("{LOGS}?status=x&from=y")).await.pointers();
    assert_eq!(two, ["/from", "/status"]);
}

#[rstest]
#[tokio::test]
async fn an_id_is_traced_from_its_oldest_call_on(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, _, _) = with_calls(engine).await;
    let trace = format!("{LOGS}/by-correlation/night-run");
    assert_eq!(endpoints(&service.items(&trace).await), ["/a", "/missing", "/b", "/c", "/d"]);
    let mut seen = Vec::new();
    let mut target = format!("{trace}?limit=2");
    loop {
        let page = service.get(&target).await.expect(200);
        seen.extend(endpoints(page["items"].as_array().expect("items")).into_iter().map(str::to_owned));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        target = format!("{trace}?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["/a", "/missing", "/b", "/c", "/d"]);
    for unknown in ["another", "NIGHT-RUN", "no%20id", "%ff"] {
        let empty = service.get(&format!("{LOGS}/by-correlation/{unknown}")).await.expect(200);
        assert_eq!(empty, json!({ "items": [], "nextCursor": null }), "{unknown}");
    }
}

#[rstest]
#[tokio::test]
async fn one_log_has_its_attempts_and_what_is_kept_of_its_bodies(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| match number {
        0 => Reply::with("503 Busy", &[("Retry-After", "1")], "try later"),
        _ => Reply::json(&json!({ "accepted": 1 })),
    })
    .await;
    let service = Service::start(engine).await;
    let members = json!({ "retryDelaySeconds": 0, "idempotencyKeyHeader": "X-Once" });
    let path = service.register_enabled(&upstream.connector(&members)).await;
    let push = json!({
        "operationType": "push", "endpoint": "/readings", "query": { "site": "B 1" },
        "headers": { "Accept-Language": "en" }, "body": { "kwh": 12 },
    });
    let request = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", "corr-12345");
    let log = request.json(&push).send().await.expect(200)["log"].clone();
    let page = service.get(&format!("{LOGS}/{}", log["id"].as_str().expect("an id"))).await.expect(200);
    for (name, value) in log.as_object().expect("an object") {
        assert_eq!(page[name], *value, "{name}");
    }
    let own: Value = json!({
        "attempts": page["attempts"], "requestSummary": page["requestSummary"],
        "responseSummary": page["responseSummary"],
    });
    insta::allow_duplicates! {
        insta::assert_snapshot!(shape(&own), @r#"
        {
          "attempts": [
            {
              "number": 1,
              "startedAt": "[time]",
              "durationMs": "[ms]",
              "waitedMs": "[ms]",
              "waitReason": null,
              "httpStatusCode": 503,
              "errorCode": "http-status",
              "errorMessage": "the upstream answered 503"
            },
            {
              "number": 2,
              "startedAt": "[time]",
              "durationMs": "[ms]",
              "waitedMs": "[ms]",
              "waitReason": "retry-after",
              "httpStatusCode": 200,
              "errorCode": null,
              "errorMessage": null
            }
          ],
          "requestSummary": {
            "url": "http://127.0.0.1:[port]/v1/readings?site=B+1",
            "headers": {
              "accept-language": "en",
              "x-correlation-id": "corr-12345",
              "x-once": "[id]"
            },
            "headersTruncated": false,
            "body": "{\"kwh\":12}",
            "bodyBytes": 10,
            "bodyTruncated": false
          },
          "responseSummary": {
            "statusCode": 200,
            "headers": {
              "content-length": "14",
              "connection": "close",
              "content-type": "application/json"
            },
            "headersTruncated": false,
            "body": "{\"accepted\":1}",
            "bodyBytes": 14,
            "bodySha256": "[hash]",
            "bodyTruncated": false
          }
        }
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_none_names_no_log(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for id in ["x", UNKNOWN, "%ff", "by-correlation"] {
        service.get(&format!("{LOGS}/{id}")).await.problem(404, "log-not-found");
    }
}
