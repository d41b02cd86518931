//! Testing connections: every step, registered and not, and what is left of it.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::canary::{assert_clean, dump};
use crate::support::service::Service;
use crate::support::upstream::{Hit, Reply, Upstream, connector};

const DRAFT: &str = "/api/v1/connectors/test";
const CANARY: &str = "c4nary/S3cret+of=HR~42";

/// The statuses of the five steps, after a look at what holds for every answer.
#[track_caller]
fn statuses(test: &Value) -> Vec<&str> {
    let steps = test["steps"].as_array().expect("steps");
    let names: Vec<_> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names, ["configuration", "secret", "dns", "tls", "http"], "{test:#}");
    assert!(steps.iter().all(|step| step["durationMs"].is_u64() && step["detail"].is_string()), "{test:#}");
    let statuses: Vec<_> = steps.iter().filter_map(|step| step["status"].as_str()).collect();
    assert_eq!(test["success"], !statuses.contains(&"Failed"), "{test:#}");
    assert!(test["durationMs"].as_u64().is_some_and(|took| took < 12_000), "{test:#}");
    statuses
}

/// The detail of the step that failed.
#[track_caller]
fn failed<'a>(test: &'a Value, name: &str) -> &'a str {
    let steps = test["steps"].as_array().expect("steps");
    let failed: Vec<_> = steps.iter().filter(|step| step["status"] == "Failed").collect();
    assert_eq!(failed.len(), 1, "{test:#}");
    assert_eq!(failed[0]["name"], name, "{test:#}");
    failed[0]["detail"].as_str().expect("a detail")
}

fn with_a_key(members: &Value) -> Value {
    let mut all = json!({ "authenticationType": "ApiKey", "authenticationSecretRef": "SecretStore:hr" });
    for (name, value) in members.as_object().expect("members") {
        all[name] = value.clone();
    }
    all
}

#[rstest]
#[tokio::test]
async fn a_disabled_connector_is_tested_and_stays_closed_to_calls(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("hr", "k3y-of-hr");
    let path = service.register(&upstream.connector(&with_a_key(&json!({})))).await;
    let answer = service.request("POST", &format!("{path}/test")).header("X-Correlation-ID", "try-it").send().await;
    let test = answer.expect(200);
    assert_eq!(statuses(&test), ["Passed", "Passed", "Passed", "NotRun", "Passed"], "{test:#}");
    assert_eq!((&test["success"], &test["correlationId"]), (&json!(true), &json!("try-it")));
    assert_eq!(test["steps"][3]["detail"], "plain HTTP");
    let hits = upstream.hits();
    assert_eq!((hits.len(), hits[0].request_line()), (1, "GET /v1 HTTP/1.1"));
    assert_eq!((hits[0].header("x-api-key"), hits[0].header("x-correlation-id")), (Some("k3y-of-hr"), Some("try-it")));

    let logs = service.items(&format!("{path}/logs?operationType=test")).await;
    assert_eq!(logs.len(), 1);
    let log = service.get(&format!("/api/v1/connectors/logs/{}", logs[0]["id"].as_str().expect("an id"))).await;
    let log = log.expect(200);
    assert_eq!(path.rsplit('/').next(), log["connectorId"].as_str());
    assert_eq!(
        (&log["status"], &log["operationType"], &log["httpMethod"], &log["endpoint"]),
        (&json!("Success"), &json!("test"), &json!("GET"), &json!("/"))
    );
    assert_eq!((&log["attemptCount"], &log["attempts"][0]["httpStatusCode"]), (&json!(1), &json!(200)));
    assert_eq!(log["requestSummary"]["url"], upstream.base_url());
    assert_eq!(log["requestSummary"]["headers"]["x-api-key"], "[REDACTED]");
    assert_eq!(log["responseSummary"]["body"], "[]");

    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    assert_eq!(service.execute(&path, &call).await["log"]["status"], "Skipped");
    let as_a_call = json!({ "operationType": "test", "endpoint": "/x" });
    let refused = service.post(&format!("{path}/execute"), &as_a_call).await;
    assert_eq!(refused.pointers(), ["/operationType"], "a test has an operation of its own");
    service.post_nothing(&format!("{path}/test?colour=red")).await.problem(422, "unknown-member");
    let said = service.post(&format!("{path}/test"), &json!({ "colour": "red" })).await;
    assert_eq!(said.pointers(), ["/colour"]);
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[case::refused_credential(401, "the value of the secret")]
#[case::no_such_path(404, "the path of `endpointBaseUrl`")]
#[case::upstream_down(503, "fails by itself")]
#[case::elsewhere(302, "redirects to")]
#[tokio::test]
async fn only_a_2xx_passes_and_the_upstream_explains_itself(
    #[case] status: u16,
    #[case] advice: &str,
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let explained = move |_: &Hit, _: usize| {
        let headers = [("Content-Type", "application/json"), ("Location", "http://127.0.0.1/elsewhere")];
        Reply::with(&format!("{status} Scripted"), &headers, "{\"why\":\"because of the moon\"}")
    };
    let upstream = Upstream::start(explained).await;
    let service = Service::start(engine).await;
    service.put_secret("hr", "k3y-of-hr");
    let members = with_a_key(&json!({ "maxRetryAttempts": 3, "retryDelaySeconds": 0 }));
    let path = service.register_enabled(&upstream.connector(&members)).await;
    let test = service.post_nothing(&format!("{path}/test")).await.expect(200);
    assert_eq!(statuses(&test), ["Passed", "Passed", "Passed", "NotRun", "Failed"]);
    let detail = failed(&test, "http");
    for part in [status.to_string().as_str(), "because of the moon", advice] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(upstream.hits().len(), 1, "one attempt");
    let log = service.items(&format!("{path}/logs")).await[0].clone();
    assert_eq!((&log["status"], &log["httpStatusCode"]), (&json!("Failed"), &json!(status)));
}

#[rstest]
#[tokio::test]
async fn each_step_fails_with_what_happened(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let service = Service::start(engine).await;
    let draft =
        async |base_url: &str, members: Value| service.post(DRAFT, &connector(base_url, &members)).await.expect(200);

    let blocked = draft("https://10.1.2.3/v1", json!({})).await;
    assert_eq!(statuses(&blocked), ["Failed", "NotRun", "NotRun", "NotRun", "NotRun"]);
    assert!(failed(&blocked, "configuration").contains("allowed_destinations"), "{blocked:#}");
    assert!(!blocked.to_string().contains("10.1.2.3"), "{blocked:#}");

    let missing = draft(&upstream.base_url(), with_a_key(&json!({}))).await;
    assert_eq!(statuses(&missing), ["Passed", "Failed", "NotRun", "NotRun", "NotRun"]);
    assert!(failed(&missing, "secret").contains("SecretStore:hr"), "{missing:#}");
    let unknown = draft(&upstream.base_url(), with_a_key(&json!({ "authenticationSecretRef": "Nowhere:hr" }))).await;
    assert!(failed(&unknown, "secret").contains("no secret store of that name"), "{unknown:#}");
    assert_eq!(upstream.hits().len(), 0, "nothing goes out without its secret");

    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let refused = draft(&format!("http://127.0.0.1:{port}"), json!({})).await;
    assert_eq!(statuses(&refused), ["Passed", "NotRun", "Passed", "NotRun", "Failed"]);
    assert!(failed(&refused, "http").contains("refused"), "{refused:#}");
    let refused = draft(&format!("https://127.0.0.1:{port}"), json!({})).await;
    assert_eq!(statuses(&refused), ["Passed", "NotRun", "Passed", "Failed", "NotRun"]);
    assert!(failed(&refused, "tls").contains("refused"), "{refused:#}");

    let silent = draft(&upstream.base_url(), json!({ "attemptTimeoutSeconds": 1 })).await;
    assert_eq!(statuses(&silent), ["Passed", "NotRun", "Passed", "NotRun", "Failed"]);
    assert!(failed(&silent, "http").contains("did not answer"), "{silent:#}");

    let codes: Vec<Value> =
        service.items("/api/v1/connectors/logs").await.iter().rev().map(|log| log["errorCode"].clone()).collect();
    let expected = [
        "destination-blocked",
        "secret-not-found",
        "secret-not-found",
        "connect-refused",
        "connect-refused",
        "attempt-timeout",
    ];
    assert_eq!(codes, expected);
}

#[rstest]
#[tokio::test]
async fn a_draft_leaves_a_log_without_a_connector_and_nothing_else(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::with_keys(engine).await;
    let (admin, operator) = (service.key("ana", "admin", &[]), service.key("ben", "operator", &[]));
    service.put_secret("hr", "k3y-of-hr");
    let post = async |key: &str, draft: &Value| {
        service.request("POST", DRAFT).key(key).header("X-Correlation-ID", "drafted").json(draft).send().await
    };
    let draft = upstream.connector(&with_a_key(&json!({})));
    let test = post(&admin, &draft).await.expect(200);
    assert_eq!(statuses(&test), ["Passed", "Passed", "Passed", "NotRun", "Passed"], "{test:#}");
    // Whoever may not register connectors must not send a secret wherever they like.
    post(&operator, &draft).await.problem(403, "forbidden");
    assert_eq!(upstream.hits().len(), 1);
    assert_eq!(post(&operator, &upstream.connector(&json!({}))).await.expect(200)["success"], true);

    let invalid = post(&admin, &json!({ "name": "", "maxRetryAttempts": -1, "colour": "red" })).await.pointers();
    for pointer in ["/capabilities", "/colour", "/endpointBaseUrl", "/maxRetryAttempts", "/name"] {
        assert!(invalid.iter().any(|found| found == pointer), "{pointer}: {invalid:?}");
    }
    let items = async |target: &str, key: &str| {
        service.request("GET", target).key(key).send().await.expect(200)["items"].as_array().expect("items").clone()
    };
    assert_eq!(items("/api/v1/connectors", &admin).await, [Value::Null; 0]);
    let logs = items("/api/v1/connectors/logs/by-correlation/drafted", &operator).await;
    assert_eq!(logs.len(), 2);
    assert_eq!(items("/api/v1/connectors/logs?operationType=test", &admin).await.len(), 2);
    for log in &logs {
        assert_eq!(
            (&log["connectorId"], &log["connectorName"], &log["status"]),
            (&Value::Null, &json!("Company HR System"), &json!("Success"))
        );
    }
    let page = format!("/api/v1/connectors/logs/{}", logs[0]["id"].as_str().expect("an id"));
    service.request("GET", &page).key(&operator).send().await.expect(200);
    let created = service.request("POST", "/api/v1/connectors").key(&admin).json(&draft).send().await.expect(201);
    let robot = service.key("robot", "service", &[created["id"].as_str().expect("an id")]);
    service.request("GET", &page).key(&robot).send().await.problem(404, "log-not-found");
    assert_eq!(items("/api/v1/connectors/logs", &robot).await, [Value::Null; 0]);
}

#[rstest]
#[tokio::test]
async fn du_2_a_test_that_is_cut_off_by_kill_9_ends_as_unknown(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let mut service = Service::start(engine).await;
    let request = service.request("POST", DRAFT).header("X-Correlation-ID", "cut-off");
    let testing = tokio::spawn(request.json(&upstream.connector(&json!({}))).send());
    upstream.first_hit().await;
    let listed = "/api/v1/connectors/logs/by-correlation/cut-off";
    assert_eq!(service.items(listed).await[0]["status"], "InProgress", "before its first byte");
    service.behind_its_back("UPDATE leases SET valid_until_ms = 0").await;
    service.kill_and_start_again();
    assert!(testing.await.is_err(), "no answer was sent");
    // The recovery begins together with the process.
    let recovered = async {
        loop {
            let logs = service.items(listed).await;
            if logs[0]["status"] != "InProgress" {
                return logs;
            }
        }
    };
    let logs = tokio::time::timeout(std::time::Duration::from_secs(30), recovered).await.expect("in time");
    assert_eq!((&logs[0]["status"], &logs[0]["errorCode"]), (&json!("Failed"), &json!("outcome-unknown")));
    assert_eq!(logs[0]["connectorId"], Value::Null);
    assert_eq!(upstream.hits().len(), 1, "it is not made again");
}

#[rstest]
#[tokio::test]
async fn se_s_5_a_secret_that_comes_back_in_a_test_is_nowhere(#[values(Sqlite, Postgres)] engine: Engine) {
    let echo = |hit: &Hit, number: usize| {
        let headers = [("Content-Type", "application/json"), ("X-Echo", CANARY), ("WWW-Authenticate", CANARY)];
        let body = json!({ "you sent": hit.header("x-api-key"), CANARY: CANARY }).to_string();
        Reply::with(&format!("{} No {CANARY}", [200, 401][number % 2]), &headers, &body)
    };
    let upstream = Upstream::start(echo).await;
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "trace")]).await;
    service.put_secret("hr", CANARY);
    let draft = upstream.connector(&with_a_key(&json!({})));
    let path = service.register(&draft).await;
    for expected in [true, false] {
        let test = service.post_nothing(&format!("{path}/test")).await.expect(200);
        assert_eq!(test["success"], expected);
        assert_clean("the answer", &test.to_string(), &[CANARY]);
    }
    for _ in 0..2 {
        assert_clean("the answer to a draft", service.post(DRAFT, &draft).await.text(), &[CANARY]);
    }
    assert!(upstream.hits().iter().all(|hit| hit.header("x-api-key") == Some(CANARY)), "it was sent");
    for log in service.items("/api/v1/connectors/logs").await {
        let page = service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await;
        assert_clean("a log", page.text(), &[CANARY]);
    }
    let (lines, database) = service.stop();
    assert!(!lines.is_empty());
    assert_clean("the process's log", &json!(lines).to_string(), &[CANARY]);
    assert_clean("the store", &dump(engine, &database).await, &[CANARY]);
}
