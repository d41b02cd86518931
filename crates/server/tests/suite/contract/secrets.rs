//! A secret that the upstream sends back in every place and every spelling is found nowhere (SE-S-5).

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::canary::{assert_clean, dump, percent_encoded, spellings};
use crate::support::service::Service;
use crate::support::upstream::{Hit, Reply, Upstream};

const CANARY: &str = "c4nary/S3cret+of=HR~42";

/// An answer that is full of the secret, and of the credential as it arrived.
fn echo(hit: &Hit, secret: &str) -> Reply {
    if hit.request_line().contains("/garbage") {
        return Reply::Bytes(format!("NO-HTTP {secret}\r\n{secret}: {secret}\r\n\r\n").into_bytes());
    }
    if hit.request_line().contains("/moved") {
        let location = format!("https://evil.example/?k={}", percent_encoded(secret));
        return Reply::with(&format!("302 {secret}"), &[("Location", &location), ("Set-Cookie", secret)], secret);
    }
    let spellings = spellings(secret);
    let credential = hit.header("authorization").unwrap_or_default();
    let headers: Vec<(String, String)> = spellings
        .iter()
        .enumerate()
        .map(|(number, spelling)| (format!("X-Echo-{number}"), format!("you sent {spelling}")))
        .chain([("WWW-Authenticate".to_owned(), credential.to_owned())])
        .collect();
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let status = if hit.request_line().contains("/refused") { "403" } else { "200" };
    if hit.request_line().contains("/text") {
        headers.push(("Content-Type", "text/plain"));
        let body = format!("<{}> {} {credential}", spellings.join("> <"), hit.request_line());
        return Reply::with(&format!("{status} No {secret}"), &headers, &body);
    }
    headers.push(("Content-Type", "application/json"));
    let body = json!({ "echo": spellings, "line": hit.request_line(), "credential": credential, secret: secret });
    Reply::with(&format!("{status} No {secret}"), &headers, &body.to_string())
}

#[rstest]
#[case::api_key_in_a_header("ApiKey", json!({}), CANARY)]
#[case::api_key_in_the_query("ApiKey", json!({ "queryParameter": "k" }), CANARY)]
#[case::bearer("Bearer", json!({}), CANARY)]
#[case::basic("Basic", json!({}), "ana:c4nary/S3cret+of=HR~42")]
#[tokio::test]
async fn se_s_5_a_secret_that_comes_back_is_nowhere(
    #[case] kind: &str,
    #[case] settings: Value,
    #[case] value: &'static str,
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|hit, _| echo(hit, CANARY)).await;
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "trace")]).await;
    service.put_secret("canary", value);
    let auth = json!({
        "authenticationType": kind, "authenticationSecretRef": "SecretStore:canary",
        "authenticationSettings": settings, "maxRetryAttempts": 1, "retryDelaySeconds": 0,
    });
    let path = service.register_enabled(&upstream.connector(&auth)).await;
    let mut answers = String::new();
    for endpoint in ["/json", "/text", "/refused/json", "/refused/text", "/moved", "/garbage"] {
        let call = json!({ "operationType": "pull", "endpoint": endpoint, "applyMapping": endpoint == "/json" });
        let answer = service.post(&format!("{path}/execute"), &call).await;
        let log = answer.expect(200)["log"].clone();
        let expected = if matches!(endpoint, "/json" | "/text") { "Success" } else { "Failed" };
        assert_eq!(log["status"], expected, "{log}");
        answers.push_str(answer.text());
        answers.extend(answer.headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        let page = service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await;
        answers.push_str(page.text());
    }
    // The secret did go out, and the rest of the answers is still there.
    assert!(upstream.hits().iter().all(|hit| spellings(value).iter().any(|spelling| hit.head.contains(spelling))));
    assert!(answers.contains("[REDACTED]") && answers.contains("you sent"), "{answers}");
    for target in ["/api/v1/connectors", "/api/v1/connectors/logs", "/api/v1/audit"] {
        answers.push_str(service.get(target).await.text());
    }
    let secrets = [CANARY, value];
    assert_clean("an answer", &answers, &secrets);
    let (lines, database) = service.stop();
    assert_clean("the log", &json!(lines).to_string(), &secrets);
    let rows = dump(engine, &database).await;
    assert!(rows.contains("SecretStore:canary") && rows.contains("[REDACTED]"));
    assert_clean("the database", &rows, &secrets);
}
