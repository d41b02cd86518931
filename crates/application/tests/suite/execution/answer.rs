//! Reading answers and mapping them.

use application::execution::{AnsweredBody, JsonText};
use domain::call::CallDraft;
use domain::connector::ConnectorDraft;
use domain::failure::{ErrorCode, Failure};
use domain::integration_log::IntegrationStatus;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fakes::Step;
use crate::world::{World, draft, failure_of, open_draft, outcome, pull};

const MALFORMED: (IntegrationStatus, Option<ErrorCode>) =
    (IntegrationStatus::Failed, Some(ErrorCode::MalformedResponse));
const SUCCESS: (IntegrationStatus, Option<ErrorCode>) = (IntegrationStatus::Success, None);

fn mapping() -> ConnectorDraft {
    let configuration = json!({
        "recordsPath": "$.data[*]",
        "externalIdPath": "$.id",
        "mappings": [{
            "externalField": "employee_count", "internalField": "totalEmployees", "transform": "direct", "required": true
        }]
    });
    ConnectorDraft { mapping_configuration: Some(configuration), ..open_draft() }
}

fn mapped() -> CallDraft {
    CallDraft { apply_mapping: true, ..pull() }
}

fn records() -> Value {
    json!({ "data": [{ "id": "EMP001", "employee_count": 250 }, { "id": "EMP002" }] })
}

#[tokio::test]
async fn a_mapping_is_applied_to_a_success() {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, mapped(), [Step::json(200, &records())]).await;
    assert_eq!(outcome(&execution), SUCCESS);
    let outcome = execution.mapping.expect("mapped");
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(outcome.records[0].external_id.as_deref(), Some("EMP001"));
    assert_eq!(Value::Object(outcome.records[0].data.clone()), json!({ "totalEmployees": 250 }));
    let rejection = &outcome.rejections[0];
    assert_eq!((rejection.index, rejection.external_id.as_deref()), (1, Some("EMP002")));
    assert_eq!(rejection.reason, "Required field 'employee_count' is missing");
    assert_eq!(execution.response.expect("an answer").body, AnsweredBody::Json(JsonText::from(&records())));
}

#[tokio::test]
async fn a_large_answer_is_mapped_and_kept_like_a_small_one() {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let data: Vec<Value> = (0..5_000).map(|number| json!({ "id": number, "employee_count": number })).collect();
    let execution = world.executed(id, mapped(), [Step::json(200, &json!({ "data": data }))]).await;
    assert_eq!(outcome(&execution), SUCCESS);
    let outcome = execution.mapping.expect("mapped");
    assert_eq!((outcome.records.len(), outcome.rejections.len()), (5_000, 0));
    assert_eq!(outcome.records[4_999].external_id.as_deref(), Some("4999"));
    assert_eq!((world.storage.only_call().log, execution.recorded), (execution.log, true));
}

#[tokio::test]
async fn a_mapping_is_only_applied_where_it_was_asked_for() {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, pull(), [Step::json(200, &records())]).await;
    assert_eq!((outcome(&execution), execution.mapping), (SUCCESS, None));
}

#[rstest]
#[case(404)]
#[case(302)]
#[case(501)]
#[tokio::test]
async fn a_mapping_is_not_applied_to_a_failure(#[case] status: u16) {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, mapped(), [Step::json(status, &records())]).await;
    assert_eq!((execution.log.status(), &execution.mapping), (IntegrationStatus::Failed, &None));
    assert_eq!(execution.response.expect("an answer").status_code, status);
}

#[tokio::test]
async fn an_answer_without_content_has_no_records() {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, mapped(), [Step::status(204)]).await;
    assert_eq!(outcome(&execution), SUCCESS);
    let outcome = execution.mapping.expect("mapped");
    assert_eq!((outcome.records.len(), outcome.rejections.len()), (0, 0));
}

#[rstest]
#[case(Step::body(200, "text/plain", b"250 employees"))]
#[case(Step::body(200, "text/html", b"<html>Log in</html>"))]
#[case(Step::body(200, "application/octet-stream", &[0xff, 0xfe]))]
#[case(Step::status(200))]
#[tokio::test]
async fn a_mapping_of_what_is_no_json_is_no_success(#[case] answer: Step) {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, mapped(), [answer]).await;
    assert_eq!((outcome(&execution), &execution.mapping), (MALFORMED, &None));
    assert_eq!(world.storage.only_call().log, execution.log);
}

#[rstest]
#[case("application/json", "{\"data\": [")]
#[case("application/json", "<html>Log in</html>")]
#[case("application/json;charset=utf-8", "")]
#[case("Application/HAL+JSON; v=1", "nope")]
#[case("text/json", "{} trailing")]
#[tokio::test]
async fn json_that_is_none_is_no_success_whatever_the_status(#[case] media_type: &str, #[case] body: &str) {
    let world = World::new();
    let execution = world.pulled([Step::body(200, media_type, body.as_bytes())]).await;
    if body.is_empty() {
        assert_eq!(outcome(&execution), SUCCESS, "nothing says nothing false");
        return;
    }
    assert_eq!(outcome(&execution), MALFORMED);
    let completion = execution.log.completion.expect("completed");
    assert_eq!(completion.http_status_code, Some(200));
    let failure = completion.failure.expect("a failure");
    assert!(!failure.retryable && failure.details.is_some(), "{failure:?}");
    assert_eq!(execution.response.expect("an answer").body, AnsweredBody::Text(body.to_owned()));
}

#[tokio::test]
async fn a_body_is_answered_by_what_it_is() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let answers = [
        (Step::json(200, &json!({ "a": 1 })), AnsweredBody::Json(JsonText::from(&json!({ "a": 1 })))),
        (
            Step::body(200, "application/problem+json", b"1.10"),
            AnsweredBody::Json(JsonText::from(&serde_json::from_str("1.10").expect("JSON"))),
        ),
        (Step::body(200, "text/csv", "ä;b".as_bytes()), AnsweredBody::Text("ä;b".to_owned())),
        (Step::body(200, "image/png", &[0x89, 0xff, 0x00]), AnsweredBody::Binary),
        (Step::status(200), AnsweredBody::Empty),
    ];
    for (answer, body) in answers {
        let execution = world.executed(id, pull(), [answer]).await;
        assert_eq!((outcome(&execution), execution.response.expect("an answer").body), (SUCCESS, body));
    }
}

#[tokio::test]
async fn a_number_keeps_every_digit() {
    let world = World::new();
    let digits = "12345678901234567890.123456789012345678901234567890";
    let execution = world.pulled([Step::body(200, "application/json", digits.as_bytes())]).await;
    let Some(AnsweredBody::Json(number)) = execution.response.map(|answer| answer.body) else { panic!("no JSON") };
    assert_eq!(number.to_string(), digits);
}

#[rstest]
#[case(Step::json(400, &json!({ "message": "page must be positive" })))]
#[case(Step::body(400, "text/plain", b"  page must be positive\n"))]
#[tokio::test]
async fn the_explanation_of_the_upstream_is_kept_with_its_failure(#[case] answer: Step) {
    let world = World::new();
    let execution = world.pulled([answer]).await;
    let failure = failure_of(&execution).expect("a failure");
    assert_eq!((failure.code, failure.message.as_str()), (ErrorCode::HttpStatus, "the upstream answered 400"));
    assert!(failure.details.as_ref().is_some_and(|details| details.contains("page must be positive")), "{failure:?}");
    assert_eq!(world.storage.only_call().log, execution.log);
}

#[tokio::test]
async fn a_long_explanation_is_cut_between_two_characters() {
    let world = World::new();
    let long = "ä".repeat(5_000);
    let execution = world.pulled([Step::body(400, "text/plain", long.as_bytes())]).await;
    let details = failure_of(&execution).and_then(|failure| failure.details.clone()).expect("details");
    assert_eq!(details, "ä".repeat(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_says_why() {
    let world = World::new();
    let broken = || {
        let failure = Failure::new(ErrorCode::ConnectionReset, "the connection broke");
        Step::Broken(failure.with_details("reset by peer"))
    };
    let execution = world.pulled((0..4).map(|_| broken())).await;
    assert_eq!(outcome(&execution), (IntegrationStatus::Failed, Some(ErrorCode::ConnectionReset)));
    assert!(execution.response.is_none() && execution.mapping.is_none());
    let page = world.storage.only_call();
    assert_eq!((page.log.attempt_count, page.attempts.len()), (4, 4));
    let completion = page.log.completion.expect("completed");
    assert_eq!(completion.http_status_code, None);
    assert_eq!(completion.failure.and_then(|failure| failure.details).as_deref(), Some("reset by peer"));
    assert_eq!(page.payloads.response, None);
}

#[tokio::test]
async fn headers_of_one_name_are_joined() {
    let world = World::new();
    let answer = Step::status(204).with_header("link", "<a>").with_header("x-b", "1").with_header("link", "<c>");
    let execution = world.pulled([answer]).await;
    let headers = execution.response.expect("an answer").headers;
    assert_eq!(headers, [("link".to_owned(), "<a>, <c>".to_owned()), ("x-b".to_owned(), "1".to_owned())]);
}

/// Text within text within text, each of which `serde_json` would parse with a fresh bound on its depth.
fn nest(times: usize, depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    (0..times).fold("1".to_owned(), |text, _| {
        format!("{open}{{\"$serde_json::private::RawValue\":{}}}{close}", Value::String(text))
    })
}

#[rstest]
#[case(nest(5, 120))]
#[case(nest(8, 1))]
#[case(r#"{"$serde_json::private::Number":"12"}"#.to_owned())]
#[case(r#"[{"\u0024serde_json::private::Number":"abc"}]"#.to_owned())]
#[case(r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#.to_owned())]
#[case(r#"{"data":{"$serde_json::private::RawValue":[1.50]}}"#.to_owned())]
#[tokio::test]
async fn private_members_of_the_parser_are_members_like_others(#[case] text: String) {
    let world = World::new();
    let id = world.enabled(mapping()).await;
    let execution = world.executed(id, mapped(), [Step::body(200, "application/json", text.as_bytes())]).await;
    let AnsweredBody::Json(body) = execution.response.expect("an answer").body else { panic!("no JSON") };
    assert_eq!(body.to_string(), text.replace("\\u0024", "$"));
    assert!(execution.mapping.is_some());
}

#[rstest]
#[case(1)]
#[case(100)]
#[tokio::test]
async fn an_answer_that_is_too_deep_fails_the_call_and_nothing_else(#[case] times: usize) {
    let world = World::new();
    let text = format!("{}{}{}", "[".repeat(times * 127), 1, "]".repeat(times * 127));
    let execution = world.pulled([Step::body(200, "application/json", text.as_bytes())]).await;
    assert_eq!(outcome(&execution), MALFORMED);
    let details = failure_of(&execution).and_then(|failure| failure.details.clone());
    assert_eq!(details.as_deref(), Some("it is nested deeper than 126 levels"));
    assert_eq!(execution.response.expect("an answer").body, AnsweredBody::Text(text));
}

#[rstest]
#[tokio::test]
async fn the_deepest_answer_is_redacted_mapped_and_kept(
    #[values(("[", "]"), (r#"{"a":"#, "}"))] brackets: (&str, &str),
) {
    let (open, close) = brackets;
    let text = format!("{}1{}", open.repeat(126), close.repeat(126));
    let world = World::new();
    let configuration = json!({
        "recordsPath": "$..*",
        "mappings": [{ "externalField": "a", "internalField": "b", "transform": "direct" }],
    });
    let id = world.enabled(ConnectorDraft { mapping_configuration: Some(configuration), ..draft() }).await;
    let execution = world.executed(id, mapped(), [Step::body(200, "application/json", text.as_bytes())]).await;
    assert!(execution.mapping.is_some());
    let AnsweredBody::Json(body) = execution.response.expect("an answer").body else { panic!("no JSON") };
    assert_eq!(body.to_string(), text);
}

#[tokio::test]
async fn of_repeated_members_the_last_one_counts() {
    let world = World::new();
    let text = br#"{"a":1,"b":2.50,"a":3}"#;
    let execution = world.pulled([Step::body(200, "application/json", text)]).await;
    let AnsweredBody::Json(body) = execution.response.expect("an answer").body else { panic!("no JSON") };
    assert_eq!(body.to_string(), r#"{"a":3,"b":2.50}"#);
}
