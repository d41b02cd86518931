//! What calls come to: credentials, answers of every form, mappings, failures that are not retried.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

fn pull(endpoint: &str) -> Value {
    json!({ "operationType": "pull", "endpoint": endpoint })
}

#[rstest]
#[tokio::test]
async fn a_connector_proves_itself_as_it_is_configured(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("key", "k3y-of-hr/+");
    service.put_secret("login", "ana:pa:ss");
    let header = |name: &str| json!({ "headerName": name });
    for (number, (kind, secret, settings, expected)) in [
        ("ApiKey", "key", json!({}), ("x-api-key", "k3y-of-hr/+")),
        ("ApiKey", "key", header("X-HR-Key"), ("x-hr-key", "k3y-of-hr/+")),
        ("Bearer", "key", json!({}), ("authorization", "Bearer k3y-of-hr/+")),
        ("Basic", "login", json!({}), ("authorization", "Basic YW5hOnBhOnNz")),
    ]
    .into_iter()
    .enumerate()
    {
        let members = json!({
            "name": format!("connector {number}"), "authenticationType": kind,
            "authenticationSecretRef": format!("SecretStore:{secret}"), "authenticationSettings": settings,
        });
        let path = service.register_enabled(&upstream.connector(&members)).await;
        assert_eq!(service.execute(&path, &pull("/x")).await["log"]["status"], "Success");
        assert_eq!(upstream.hits()[number].header(expected.0), Some(expected.1));
    }
    let query = json!({
        "authenticationType": "ApiKey", "authenticationSecretRef": "SecretStore:key",
        "authenticationSettings": { "queryParameter": "api_key" },
    });
    let path = service.register_enabled(&upstream.connector(&query)).await;
    let call = json!({ "operationType": "pull", "endpoint": "/x", "query": { "page": "2" } });
    let execution = service.execute(&path, &call).await;
    assert_eq!(execution["log"]["endpoint"], "/x");
    assert_eq!(upstream.hits()[4].request_line(), "GET /v1/x?page=2&api_key=k3y-of-hr%2F%2B HTTP/1.1");
}

#[rstest]
#[tokio::test]
async fn a_rotated_secret_is_used_and_a_missing_one_fails_the_call_before_it_is_sent(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("key", "first-value");
    let auth = json!({ "authenticationType": "ApiKey", "authenticationSecretRef": "SecretStore:key", "rateLimitPerMinute": 0 });
    let path = service.register_enabled(&upstream.connector(&auth)).await;
    service.execute(&path, &pull("/x")).await;
    service.put_secret("key", "second-value");
    // A value that was read counts for a second.
    let begun = Instant::now();
    while upstream.hits().last().and_then(|hit| hit.header("x-api-key").map(str::to_owned)).as_deref()
        != Some("second-value")
    {
        assert!(begun.elapsed() < Duration::from_secs(10), "the old value goes on");
        service.execute(&path, &pull("/x")).await;
    }
    assert!(
        upstream.hits()[..upstream.hits().len() - 1].iter().all(|hit| hit.header("x-api-key") == Some("first-value"))
    );

    service.remove_secret("key");
    let execution = loop {
        let execution = service.execute(&path, &pull("/x")).await;
        if execution["log"]["status"] == "Failed" {
            break execution;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the old value goes on");
    };
    let hits = upstream.hits().len();
    service.execute(&path, &pull("/x")).await;
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("secret-not-found")));
    assert_eq!((&log["attemptCount"], &log["retryable"]), (&json!(0), &json!(false)));
    assert_eq!(execution["response"], Value::Null);
    assert_eq!(upstream.hits().len(), hits);
}

#[rstest]
#[tokio::test]
async fn an_answer_is_json_or_text_or_binary_or_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|hit, _| match hit.request_line().split(' ').nth(1) {
        Some("/v1/json") => Reply::with("200 OK", &[("Content-Type", "application/problem+json")], "{\"a\": 1.0}"),
        Some("/v1/text") => Reply::with("200 OK", &[("Content-Type", "text/csv")], "a;b\n1;2\n"),
        Some("/v1/binary") => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
            Reply::Bytes([head.as_bytes(), &[0xff, 0x00, 0xfe]].concat())
        }
        Some("/v1/broken") => Reply::with("200 OK", &[("Content-Type", "application/json")], "{\"a\": "),
        _ => Reply::with("204 No Content", &[], ""),
    })
    .await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    for (endpoint, body, bytes) in [
        ("/json", json!({ "a": 1.0 }), 10),
        ("/text", json!("a;b\n1;2\n"), 8),
        ("/binary", Value::Null, 3),
        ("/nothing", Value::Null, 0),
    ] {
        let execution = service.execute(&path, &pull(endpoint)).await;
        assert_eq!(execution["log"]["status"], "Success", "{endpoint}");
        assert_eq!(execution["response"]["body"], body, "{endpoint}");
        assert_eq!(execution["response"]["bodyBytes"], bytes, "{endpoint}");
        assert_eq!(execution["response"]["bodySha256"].as_str().map(str::len), Some(64), "{endpoint}");
    }
    let broken = service.execute(&path, &pull("/broken")).await;
    assert_eq!(
        (&broken["log"]["status"], &broken["log"]["errorCode"]),
        (&json!("Failed"), &json!("malformed-response"))
    );
}

#[rstest]
#[tokio::test]
async fn the_vectors_of_the_contract_are_mapped(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| {
        Reply::json(&json!({ "data": [
            { "external_id": "EMP001", "employee_count": 250, "weekly_hours": 35, "training_sessions": [8, 4, 6, 10],
              "satisfaction_scores": [4.5, 4.0, 4.8, 4.2], "department_code": "ENG" },
            { "external_id": "EMP002", "weekly_hours": 38 },
            { "external_id": "EMP003", "employee_count": 1, "weekly_hours": 38, "department_code": "X" },
        ] }))
    })
    .await;
    let service = Service::start(engine).await;
    let field = |external: &str, internal: &str, transform: &str| json!({ "externalField": external, "internalField": internal, "transform": transform });
    let mut mappings = vec![
        field("employee_count", "totalEmployees", "direct"),
        field("weekly_hours", "fullTimeEquivalent", "fte"),
        field("training_sessions", "totalTrainingHours", "sum"),
        field("satisfaction_scores", "averageSatisfaction", "average"),
        field("department_code", "departmentName", "lookup"),
    ];
    mappings[0]["required"] = json!(true);
    mappings[1]["transformParams"] = json!({ "standardHours": 40 });
    mappings[4]["transformParams"] = json!({ "table": { "ENG": "Engineering", "HR": "Human Resources" } });
    mappings[4]["defaultValue"] = Value::Null;
    let mapping = json!({ "recordsPath": "$.data[*]", "externalIdPath": "$.external_id", "mappings": mappings });
    let path = service.register_enabled(&upstream.connector(&json!({ "mappingConfiguration": mapping }))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/employees", "applyMapping": true });
    let execution = service.execute(&path, &call).await;
    let expected = json!({
        "records": [
            { "externalId": "EMP001", "data": {
                "totalEmployees": 250, "fullTimeEquivalent": 0.875, "totalTrainingHours": 28,
                "averageSatisfaction": 4.375, "departmentName": "Engineering",
            } },
            { "externalId": "EMP003", "data": {
                "totalEmployees": 1, "fullTimeEquivalent": 0.95, "totalTrainingHours": null,
                "averageSatisfaction": null, "departmentName": null,
            } },
        ],
        "rejections": [
            { "index": 1, "externalId": "EMP002", "reason": "Required field 'employee_count' is missing" },
        ],
    });
    assert_eq!(execution["mapping"], expected);
    assert_eq!(execution["log"]["status"], "Success");
    assert_eq!(service.execute(&path, &pull("/employees")).await["mapping"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn a_mapping_that_finds_no_json_fails_the_call(#[values(Sqlite, Postgres)] engine: Engine) {
    let page = "<html>Please log in</html>";
    let upstream = Upstream::start(move |_, _| Reply::with("200 OK", &[("Content-Type", "text/html")], page)).await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/employees", "applyMapping": true });
    let execution = service.execute(&path, &call).await;
    assert_eq!(execution["log"]["errorCode"], "malformed-response");
    assert_eq!((&execution["mapping"], &execution["response"]["body"]), (&Value::Null, &json!(page)));
}

#[rstest]
#[tokio::test]
async fn a_refusal_is_final_and_its_explanation_is_kept(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|hit, _| {
        let status = hit.request_line().split(['/', ' ']).nth(3).unwrap_or_default().to_owned();
        let headers = [("Content-Type", "application/json"), ("Location", "http://169.254.169.254/")];
        Reply::with(&format!("{status} Scripted"), &headers, "{\"error\":\"why it was refused\"}")
    })
    .await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "retryDelaySeconds": 0 }))).await;
    for (status, code) in [
        (400, "http-status"),
        (401, "http-status"),
        (403, "http-status"),
        (404, "http-status"),
        (422, "http-status"),
        (501, "http-status"),
        (505, "http-status"),
        (301, "redirect-not-followed"),
        (307, "redirect-not-followed"),
    ] {
        let execution = service.execute(&path, &pull(&format!("/{status}"))).await;
        let log = &execution["log"];
        assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!(code)), "{status}");
        assert_eq!((&log["httpStatusCode"], &log["attemptCount"]), (&json!(status), &json!(1)), "{status}");
        assert_eq!((&log["retryAttempts"], &log["retryable"]), (&json!(0), &json!(false)), "{status}");
        assert!(log["errorDetails"].as_str().is_some_and(|text| text.contains("why it was refused")), "{log}");
        assert_eq!(execution["response"]["statusCode"], status);
    }
    assert_eq!(upstream.hits().len(), 9);
}

#[rstest]
#[tokio::test]
async fn an_answer_that_is_too_large_is_a_failure_with_a_code(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| {
        Reply::with("200 OK", &[("Content-Type", "text/plain")], &"a".repeat(10 * 1024 * 1024 + 1))
    })
    .await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "retryDelaySeconds": 0 }))).await;
    let log = service.execute(&path, &pull("/x")).await["log"].clone();
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("response-too-large")));
    assert_eq!((&log["attemptCount"], &log["retryable"]), (&json!(1), &json!(false)));
    assert_eq!(upstream.hits().len(), 1);
}
