//! Enabling and disabling.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::shape::is_time;
use crate::support::upstream::connector;

async fn registered(service: &Service) -> String {
    let given = connector("https://api.hr-system.example.com/v1", &json!({}));
    service.register(&given).await
}

#[rstest]
#[tokio::test]
async fn enabling_needs_no_body_and_answers_the_whole_connector(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = registered(&service).await;
    let answer = service.post_nothing(&format!("{path}/enable")).await;
    assert_eq!(answer.header("etag"), Some("\"2\""));
    let enabled = answer.expect(200);
    assert_eq!((&enabled["status"], &enabled["version"]), (&json!("Enabled"), &json!(2)));
    assert_eq!((&enabled["statusReason"], &enabled["statusChangedBy"]), (&Value::Null, &json!("local")));
    assert_eq!(enabled["statusChangedAt"], enabled["updatedAt"]);
    assert!(is_time(enabled["updatedAt"].as_str().expect("a time")));
    assert_eq!(service.get(&path).await.expect(200), enabled);
}

#[rstest]
#[tokio::test]
async fn an_empty_body_passes_whatever_its_content_type(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = registered(&service).await;
    for media_type in ["text/plain", "application/json", "application/x-www-form-urlencoded", "nonsense", ""] {
        let request = service.request("POST", &format!("{path}/enable")).header("Content-Type", media_type);
        assert_eq!(request.send().await.expect(200)["status"], "Enabled", "{media_type}");
    }
    let given = service.request("POST", &format!("{path}/disable")).header("Content-Type", "text/plain").body("why");
    given.send().await.problem(415, "unsupported-media-type");
    assert_eq!(service.get(&path).await.expect(200)["version"], 2);
}

#[rstest]
#[tokio::test]
async fn a_reason_is_kept_with_the_connector_and_in_the_audit(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = registered(&service).await;
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    let disabled = service.post(&format!("{path}/disable"), &json!({ "reason": "key rotation" })).await.expect(200);
    assert_eq!((&disabled["status"], &disabled["statusReason"]), (&json!("Disabled"), &json!("key rotation")));
    let audit = service.get(&format!("{path}/audit")).await.expect(200);
    assert_eq!(
        (&audit["items"][0]["action"], &audit["items"][0]["reason"]),
        (&json!("connector.disabled"), &json!("key rotation"))
    );
    // The next switch without a reason leaves none of the old one.
    let enabled = service.post(&format!("{path}/enable"), &json!({ "reason": null })).await.expect(200);
    assert_eq!(enabled["statusReason"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn a_repeat_changes_nothing_at_all(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = registered(&service).await;
    let disabled = service.post(&format!("{path}/disable"), &json!({ "reason": "still" })).await.expect(200);
    assert_eq!((&disabled["version"], &disabled["statusReason"]), (&json!(1), &Value::Null));
    let first = service.post(&format!("{path}/enable"), &json!({ "reason": "first" })).await.expect(200);
    let again = service.post(&format!("{path}/enable"), &json!({ "reason": "again" })).await.expect(200);
    assert_eq!(first, again);
    let audit = service.get(&format!("{path}/audit")).await.expect(200);
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(2));
}

#[rstest]
#[tokio::test]
async fn a_reason_has_500_characters_at_most(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = format!("{}/enable", registered(&service).await);
    for wrong in [json!({ "reason": "ä".repeat(501) }), json!({ "reason": 1 }), json!({ "reason": ["x"] })] {
        assert_eq!(service.post(&path, &wrong).await.pointers(), ["/reason"]);
    }
    let misspelt = service.post(&path, &json!({ "Reason": "x" })).await;
    assert_eq!(misspelt.problem(422, "unknown-member")["errors"][0]["pointer"], "/Reason");
    assert_eq!(service.post(&path, &json!([])).await.pointers(), [""]);
    let longest = service.post(&path, &json!({ "reason": "ä".repeat(500) })).await.expect(200);
    assert_eq!(longest["statusReason"].as_str().map(|reason| reason.chars().count()), Some(500));
}
