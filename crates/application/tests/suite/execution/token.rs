//! Connectors with `OAuth2`: from the client's secret to the token that a request carries (SE-S-7).

use domain::connector::ConnectorDraft;
use domain::failure::ErrorCode;
use domain::integration_log::IntegrationStatus;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fakes::{AskedToken, Step};
use crate::world::{World, draft, failure_of, faults, outcome, pull};

pub(super) const BOTH: &str = r#"{ "clientId": "hr-client", "clientSecret": "c4nary-client-secret" }"#;

pub(super) fn oauth(settings: &Value) -> ConnectorDraft {
    let mut all = json!({ "tokenUrl": "https://login.example.com/token", "scopes": ["hr.read"] });
    for (name, value) in settings.as_object().expect("an object") {
        all[name] = value.clone();
    }
    ConnectorDraft { authentication_type: Some("OAuth2".to_owned()), authentication_settings: Some(all), ..draft() }
}

#[rstest]
#[case::both_in_the_secret(BOTH, json!({}))]
#[case::the_same_in_both(BOTH, json!({ "clientId": "hr-client" }))]
#[case::bare("c4nary-client-secret", json!({ "clientId": "hr-client" }))]
#[case::id_in_the_settings(r#"{"clientSecret":"c4nary-client-secret"}"#, json!({ "clientId": "hr-client" }))]
#[tokio::test]
async fn se_s_7_the_token_of_the_client_is_sent_and_used_again(#[case] secret: &str, #[case] settings: Value) {
    let world = World::new();
    world.secrets.put("HR", secret);
    world.tokens.will_issue(["t0ken-value-1"]);
    let id = world.enabled(oauth(&settings)).await;
    for _ in 0..3 {
        let execution = world.executed(id, pull(), [Step::status(204)]).await;
        assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    }
    let asked = AskedToken {
        url: "https://login.example.com/token".to_owned(),
        client_id: "hr-client".to_owned(),
        client_secret: "c4nary-client-secret".to_owned(),
        scopes: vec!["hr.read".to_owned()],
    };
    assert_eq!(world.tokens.asked(), [asked], "once for all calls");
    let sent = ("Authorization".to_owned(), "Bearer t0ken-value-1".to_owned());
    assert!(world.executor.plans().iter().all(|plan| plan.header.as_ref() == Some(&sent)));
}

#[rstest]
#[case::bare_without_an_id("c4nary-client-secret", json!({}), "clientId")]
#[case::no_secret(r#"{"clientId":"c4nary"}"#, json!({}), "clientSecret")]
#[case::empty_secret(r#"{"clientId":"c4nary","clientSecret":""}"#, json!({}), "clientSecret")]
#[case::a_number(r#"{"clientId":"c4nary","clientSecret":7}"#, json!({}), "clientSecret")]
#[case::two_clients(r#"{"clientId":"c4nary","clientSecret":"x"}"#, json!({ "clientId": "hr" }), "different clients")]
#[tokio::test]
async fn a_client_secret_that_cannot_be_used_is_not_sent(
    #[case] secret: &str,
    #[case] settings: Value,
    #[case] named: &str,
) {
    let world = World::new();
    world.secrets.put("HR", secret);
    let id = world.enabled(oauth(&settings)).await;
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::SecretNotFound)));
    let message = &failure_of(&execution).expect("a failure").message;
    assert!(message.contains(named) && message.contains("SecretStore:HR"), "{message}");
    assert!(!format!("{execution:?}{}", world.storage.dump()).contains("c4nary"));
    assert!(world.tokens.asked().is_empty() && world.executor.plans().is_empty());
}

#[tokio::test]
async fn se_s_7_without_a_token_there_is_no_attempt_and_no_secret_in_the_explanation() {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    // `hr-client:c4nary-client-secret` as `Basic` sends it.
    let basic = "aHItY2xpZW50OmM0bmFyeS1jbGllbnQtc2VjcmV0";
    world.tokens.will_refuse(false, &format!("no scope for c4nary-client-secret, {basic}, %63%34nary-client-secret"));
    let id = world.enabled(oauth(&json!({}))).await;
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::OauthTokenFailed)));
    let page = world.storage.only_call();
    assert_eq!((page.log.attempt_count, page.attempts.len()), (0, 0));
    assert!(world.executor.plans().is_empty());
    let details = failure_of(&execution).and_then(|failure| failure.details.clone()).expect("details");
    assert!(details.starts_with("no scope for [REDACTED], [REDACTED]"), "{details}");
    assert!(!format!("{execution:?}{}", world.storage.dump()).contains("c4nary-client"));
}

#[tokio::test]
async fn a_client_secret_that_was_rotated_meanwhile_is_tried_once() {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    world.tokens.will_refuse(true, "invalid_client");
    world.tokens.will_issue(["t0ken-value-1"]);
    let id = world.enabled(oauth(&json!({}))).await;
    world.secrets.rotate_unseen("HR", &BOTH.replace("client-secret", "rotated-secret"));
    let execution = world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Success, None));
    let secrets: Vec<String> = world.tokens.asked().into_iter().map(|asked| asked.client_secret).collect();
    assert_eq!(secrets, ["c4nary-client-secret", "c4nary-rotated-secret"]);
}

#[tokio::test]
async fn a_client_that_is_refused_is_not_tried_again_with_the_same_secret() {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    world.tokens.will_refuse(true, "invalid_client");
    let id = world.enabled(oauth(&json!({}))).await;
    let execution = world.executed(id, pull(), []).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::OauthTokenFailed)));
    assert_eq!(world.tokens.asked().len(), 1);
}

#[tokio::test]
async fn se_d_1_a_token_url_that_is_not_called_is_refused_when_it_is_saved() {
    let world = World::new();
    world.secrets.put("HR", BOTH);
    for (url, code) in [
        ("https://127.0.0.1/token", "destination-blocked"),
        ("https://2130706433/token", "destination-blocked"),
        ("https://169.254.169.254/token", "destination-blocked"),
        ("https://localhost/token", "destination-blocked"),
        ("http://login.example.com/token", "invalid-value"),
        ("login.example.com/token", "invalid-value"),
    ] {
        let refused = world.connectors.register(&crate::world::context(), oauth(&json!({ "tokenUrl": url }))).await;
        assert_eq!(faults(refused), [format!("/authenticationSettings/tokenUrl: {code}")], "{url}");
    }
}
