//! Executing calls: what is sent, what is answered, what is refused.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::shape::shape;
use crate::support::upstream::{Reply, Upstream};

fn pull() -> Value {
    json!({ "operationType": "pull", "endpoint": "/employees" })
}

fn pull_with(members: &Value) -> Value {
    let mut call = pull();
    for (name, value) in members.as_object().expect("an object") {
        call[name] = value.clone();
    }
    call
}

#[rstest]
#[tokio::test]
async fn a_success_is_answered_with_its_log_and_the_upstreams_answer(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| {
        let headers = [("Content-Type", "application/json"), ("X-Page", "1"), ("X-Page", "2")];
        Reply::with("200 OK", &headers, "{\"kwh\": 1.10, \"id\": 123456789012345678901234567890}")
    })
    .await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let request = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", "corr-12345");
    let answer = request.json(&pull()).send().await;
    assert_eq!(answer.header("x-integration-status"), Some("Success"));
    insta::allow_duplicates! {
        insta::assert_snapshot!(shape(&answer.expect(200)), @r#"
        {
          "log": {
            "id": "[id]",
            "connectorId": "[id]",
            "connectorName": "Company HR System",
            "correlationId": "corr-12345",
            "traceId": "[trace]",
            "jobId": null,
            "operationType": "pull",
            "status": "Success",
            "httpMethod": "GET",
            "endpoint": "/employees",
            "httpStatusCode": 200,
            "retryAttempts": 0,
            "attemptCount": 1,
            "errorCode": null,
            "errorMessage": null,
            "errorDetails": null,
            "retryable": null,
            "retryAfterSeconds": null,
            "durationMs": "[ms]",
            "startedAt": "[time]",
            "completedAt": "[time]",
            "initiatedBy": "local"
          },
          "response": {
            "statusCode": 200,
            "headers": {
              "content-length": "51",
              "connection": "close",
              "content-type": "application/json",
              "x-page": "1, 2"
            },
            "body": {
              "kwh": 1.10,
              "id": 123456789012345678901234567890
            },
            "bodyBytes": 51,
            "bodySha256": "[hash]"
          },
          "recorded": true,
          "mapping": null
        }
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn a_call_is_sent_as_it_was_asked_for(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = r#"{
        "operationType": "push", "endpoint": "/meters/1%2F2", "query": {"page": 1, "q": "a&b=ä", "all": true},
        "headers": {"Accept-Language": "en", "Content-Type": "application/vnd.meter+json"},
        "body": {"reading": 12.50, "unit": "kWh"}
    }"#;
    let request = service.request("POST", &format!("{path}/execute")).header("Content-Type", "application/json");
    let log = request.body(call).send().await.expect(200)["log"].clone();
    assert_eq!((&log["httpMethod"], &log["operationType"]), (&json!("POST"), &json!("push")));
    let hit = upstream.first_hit().await;
    assert_eq!(hit.request_line(), "POST /v1/meters/1%2F2?page=1&q=a%26b%3D%C3%A4&all=true HTTP/1.1");
    assert_eq!(hit.header("accept-language"), Some("en"));
    assert_eq!(hit.header("content-type"), Some("application/vnd.meter+json"));
    assert_eq!(hit.body, r#"{"reading":12.50,"unit":"kWh"}"#);

    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD"] {
        let log = service.execute(&path, &pull_with(&json!({ "method": method }))).await["log"].clone();
        assert_eq!(log["httpMethod"], method);
        let hits = upstream.hits();
        assert!(hits[hits.len() - 1].request_line().starts_with(&format!("{method} ")), "{method}");
    }
}

#[rstest]
#[tokio::test]
async fn a_disabled_connector_skips_without_a_call_or_a_look_at_its_secret(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("K", "the value");
    let auth = json!({ "authenticationType": "Bearer", "authenticationSecretRef": "SecretStore:K" });
    let path = service.register(&upstream.connector(&auth)).await;
    service.remove_secret("K");
    let answer = service.post(&format!("{path}/execute"), &pull()).await;
    assert_eq!(answer.header("x-integration-status"), Some("Skipped"));
    let skipped = answer.expect(200);
    assert_eq!((&skipped["response"], &skipped["mapping"]), (&Value::Null, &Value::Null));
    assert_eq!(skipped["recorded"], true);
    let log = &skipped["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Skipped"), &json!("connector-disabled")));
    assert_eq!((&log["attemptCount"], &log["retryAttempts"]), (&json!(0), &json!(0)));
    assert_eq!(service.items(&format!("{path}/logs")).await, std::slice::from_ref(log));
    assert_eq!(upstream.hits().len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_call_is_judged_as_unknown_then_as_invalid_then_as_skipped(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register(&upstream.connector(&json!({ "capabilities": ["pull"] }))).await;
    let unknown = "/api/v1/connectors/01979a2b-7c00-7000-8000-000000000001/execute";
    service.post(unknown, &json!({})).await.problem(404, "connector-not-found");
    let execute = format!("{path}/execute");
    assert_eq!(service.post(&execute, &json!({})).await.pointers(), ["/endpoint", "/operationType"]);
    let push = service.post(&execute, &pull_with(&json!({ "operationType": "push" }))).await;
    assert_eq!(push.problem(422, "capability-not-supported")["errors"][0]["pointer"], "/operationType");
    for (member, wrong) in [
        ("operationType", json!("fly")),
        ("method", json!("TRACE")),
        ("method", json!("get")),
        ("endpoint", json!("employees")),
        ("endpoint", json!("/a?b=c")),
        ("query", json!([])),
        ("headers", json!("x")),
        ("applyMapping", json!("yes")),
        ("body", json!({})),
        ("colour", json!("red")),
    ] {
        let answer = service.post(&execute, &pull_with(&json!({ member: wrong }))).await;
        assert_eq!(answer.pointers(), [format!("/{member}")], "{member} {wrong}");
    }
    assert_eq!(service.items(&format!("{path}/logs")).await.len(), 0);
    assert_eq!(service.execute(&path, &pull()).await["log"]["status"], "Skipped");
}

#[rstest]
#[tokio::test]
async fn an_endpoint_cannot_leave_the_base_url(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    for endpoint in [
        "/../admin",
        "/a/../../admin",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/%252e%252e/admin",
        "/x%2f..%2f..%2fadmin",
        "/..;/admin",
        "//evil.example/x",
        "https://evil.example/x",
        "\\\\evil.example",
        "/\\evil.example",
        "/..\\admin",
    ] {
        let answer = service.post(&format!("{path}/execute"), &pull_with(&json!({ "endpoint": endpoint }))).await;
        let problem = answer.problem(422, "endpoint-outside-base-url");
        assert_eq!(problem["errors"][0]["pointer"], "/endpoint", "{endpoint}");
    }
    assert_eq!(upstream.hits().len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_call_cannot_set_the_headers_of_the_service_or_of_the_connector(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("K", "the value");
    let auth = json!({
        "authenticationType": "ApiKey", "authenticationSecretRef": "SecretStore:K",
        "authenticationSettings": { "headerName": "X-HR-Key" }, "idempotencyKeyHeader": "X-Once",
    });
    let path = service.register_enabled(&upstream.connector(&auth)).await;
    for name in [
        "X-Correlation-ID",
        "traceparent",
        "TraceState",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Authorization",
        "Cookie",
        "x-hr-key",
        "x-once",
    ] {
        let answer =
            service.post(&format!("{path}/execute"), &pull_with(&json!({ "headers": { name: "mine" } }))).await;
        let problem = answer.problem(422, "forbidden-header");
        assert_eq!(problem["errors"][0]["pointer"], format!("/headers/{name}"));
    }
    for (name, value) in [("a b", "x"), ("X-A", "x\r\nHost: evil.example"), ("", "x"), ("X-Ä", "x"), ("X-A", "\u{0}")]
    {
        let answer = service.post(&format!("{path}/execute"), &pull_with(&json!({ "headers": { name: value } }))).await;
        assert_eq!(answer.status, 422, "{name}");
    }
    assert_eq!(upstream.hits().len(), 0);
}
