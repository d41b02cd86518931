//! What is kept of a request and its answer for the page of a log.

use application::execution::Execution;
use domain::call::CallDraft;
use domain::connector::ConnectorDraft;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::IntegrationStatus;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fakes::Step;
use crate::world::{World, draft, open_draft, outcome, pull, push};

const KEPT: usize = 16 * 1024;

fn request(world: &World) -> Value {
    world.storage.only_call().payloads.request.expect("a request")
}

fn response(world: &World) -> Value {
    world.storage.only_call().payloads.response.expect("an answer")
}

#[tokio::test]
async fn a_request_is_kept_with_its_url_headers_and_body() {
    let world = World::new();
    let key = ConnectorDraft { idempotency_key_header: Some("Idempotency-Key".to_owned()), ..draft() };
    let id = world.enabled(key).await;
    let call = CallDraft {
        query: vec![("page".to_owned(), "1".to_owned())],
        headers: vec![("Accept-Language".to_owned(), "en".to_owned())],
        ..push(&json!({ "a": "é" }))
    };
    world.executed(id, call, [Step::status(204)]).await;
    let idempotency_key = world.executor.plans()[0].idempotency_key.clone().expect("a key").1;
    assert_eq!(
        request(&world),
        json!({
            "url": "https://api.hr.example.com/v1/employees?page=1",
            "headers": {
                "accept-language": "en",
                "x-correlation-id": "corr-12345",
                "idempotency-key": idempotency_key,
                "x-api-key": "[REDACTED]",
            },
            "headersTruncated": false,
            "body": "{\"a\":\"é\"}",
            "bodyBytes": 10,
            "bodyTruncated": false,
        })
    );
}

#[tokio::test]
async fn a_key_in_the_query_is_kept_as_a_name_alone() {
    let world = World::new();
    let settings = Some(json!({ "queryParameter": "key" }));
    let id = world.enabled(ConnectorDraft { authentication_settings: settings, ..draft() }).await;
    world.executed(id, pull(), [Step::status(204)]).await;
    assert_eq!(request(&world)["url"], "https://api.hr.example.com/v1/employees?key=[REDACTED]");
    assert_eq!((&request(&world)["body"], &request(&world)["bodyBytes"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn an_answer_is_kept_with_its_status_headers_body_and_digest() {
    let world = World::new();
    world.pulled([Step::body(200, "text/csv", b"a;b").with_header("set-cookie", "sid=1")]).await;
    assert_eq!(
        response(&world),
        json!({
            "statusCode": 200,
            "headers": { "content-type": "text/csv", "set-cookie": "[REDACTED]" },
            "headersTruncated": false,
            "body": "a;b",
            "bodyBytes": 3,
            "bodySha256": "5719af18823567701f70e9f302f75d96e574215493286286a57b0a4959672283",
            "bodyTruncated": false,
        })
    );
}

#[rstest]
#[case("x".repeat(KEPT), KEPT, false)]
#[case("x".repeat(KEPT + 1), KEPT, true)]
#[case("é".repeat(KEPT), KEPT, true)]
#[case(format!("x{}", "é".repeat(KEPT)), KEPT - 1, true)]
#[case("€".repeat(KEPT), KEPT - 1, true)]
#[case(format!("x{}", "🌍".repeat(KEPT)), KEPT - 3, true)]
#[tokio::test]
async fn a_long_body_is_cut_at_16_kib_between_two_characters(
    #[case] body: String,
    #[case] kept: usize,
    #[case] truncated: bool,
) {
    let world = World::new();
    let execution = world.pulled([Step::body(200, "text/plain", body.as_bytes())]).await;
    assert!(execution.recorded);
    let stored = response(&world);
    let text = stored["body"].as_str().expect("a text");
    assert_eq!((text.len(), stored["bodyTruncated"] == json!(true)), (kept, truncated));
    assert!(body.starts_with(text));
    assert_eq!(stored["bodyBytes"], json!(body.len()));
    let answered = execution.response.expect("an answer");
    assert_eq!(answered.body_bytes, body.len(), "the caller gets all of it");
}

#[tokio::test]
async fn a_long_request_is_cut_as_well() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    world.executed(id, push(&json!("é".repeat(KEPT))), [Step::status(204)]).await;
    let stored = request(&world);
    assert_eq!(stored["bodyTruncated"], json!(true));
    assert_eq!(stored["bodyBytes"], json!(2 * KEPT + 2));
    assert_eq!(stored["body"].as_str().map(str::len), Some(KEPT - 1), "a quote and whole characters");
}

#[tokio::test]
async fn of_a_binary_body_only_size_and_digest_are_kept() {
    let world = World::new();
    let execution = world.pulled([Step::body(200, "image/png", &[0xff; 9])]).await;
    let stored = response(&world);
    assert_eq!(
        (&stored["body"], &stored["bodyBytes"], &stored["bodyTruncated"]),
        (&Value::Null, &json!(9), &json!(false))
    );
    let digest = execution.response.expect("an answer").body_sha256;
    assert_eq!(stored["bodySha256"], json!(hex::encode(digest)));
}

/// The store of the fakes refuses a NUL, as PostgreSQL does; what is recorded has none.
fn assert_recorded(world: &World, execution: &Execution) {
    assert!(execution.recorded);
    assert_eq!(world.storage.only_call().log, execution.log);
}

#[rstest]
#[case(Step::body(200, "text/plain", b"a\0b"))]
#[case(Step::body(400, "text/plain", b"a\0b"))]
#[case(Step::body(200, "application/json", b"a\0b"))]
#[case(Step::json(200, &json!({ "a\0": "b\0" })))]
#[case(Step::json(400, &json!({ "a\0": "b\0" })))]
#[case(Step::status(204).with_header("x-nul", "a\0b"))]
#[tokio::test]
async fn nul_characters_of_an_answer_never_reach_the_store(#[case] answer: Step) {
    let world = World::new();
    let execution = world.pulled([answer]).await;
    assert_recorded(&world, &execution);
}

#[tokio::test(start_paused = true)]
async fn nul_characters_of_a_failure_or_a_request_never_reach_the_store() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let broken = || Step::Broken(Failure::new(ErrorCode::ConnectionReset, "a\0b").with_details("c\0d"));
    let call = CallDraft {
        method: Some("PUT".to_owned()),
        query: vec![("q\0".to_owned(), "\0".to_owned())],
        ..push(&json!({ "a\0": "\0" }))
    };
    let execution = world.executed(id, call, (0..4).map(|_| broken())).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::ConnectionReset)));
    assert_recorded(&world, &execution);
    assert_eq!(world.storage.only_call().attempts.len(), 4);
}

#[tokio::test]
async fn headers_are_kept_as_far_as_there_is_room() {
    let world = World::new();
    let many =
        (0..90).fold(Step::status(500), |step, number| step.with_header(&format!("x-{number}"), &"y".repeat(3_000)));
    let id = world.enabled(ConnectorDraft { max_retry_attempts: serde_json::from_str("0").ok(), ..draft() }).await;
    let call = CallDraft { query: vec![("q".to_owned(), "z".repeat(100_000))], ..pull() };
    world.executed(id, call, [many]).await;
    assert_eq!(response(&world)["headersTruncated"], true);
    let kept = response(&world).to_string().len() + request(&world).to_string().len();
    assert!(kept < 3 * 16 * 1024 + 2_000, "{kept}");
}
