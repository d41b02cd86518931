//! Secrets are in nothing that leaves a call (SE-S-5): what is answered, stored or logged.

mod texts;

use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use application::execution::{AnsweredBody, JsonText};
use application::redaction::is_secret_name;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use domain::call::CallDraft;
use domain::connector::ConnectorDraft;
use domain::failure::{ErrorCode, Failure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rstest::rstest;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::fakes::Step;
use crate::world::{World, draft, open_draft, pull, push};

/// What stands in every canary as it is, and must not stand anywhere else.
const CORE: &str = "S3cretC0re";

const PLAIN: &str = "c4nary-S3cretC0re-7f3a";
/// Every byte that one or the other URL-encoding treats differently.
const NASTY: &str = "c4nary S3cretC0re~(7f)*!/+='&é";

/// What languages make of the nasty one in a URL.
const NASTY_IN_URLS: [&str; 8] = [
    "c4nary%20S3cretC0re~%287f%29%2A%21/%2B%3D%27%26%C3%A9", // Python's `quote`
    "c4nary+S3cretC0re~%287f%29%2A%21%2F%2B%3D%27%26%C3%A9", // Python's `quote_plus`, Go
    "c4nary%20S3cretC0re~%287f%29%2a%21%2f%2b%3d%27%26%c3%a9", // RFC 3986 in small letters
    "c4nary%20S3cretC0re~(7f)*!%2F%2B%3D'%26%C3%A9",         // ECMAScript's `encodeURIComponent`
    "c4nary%20S3cretC0re~(7f)*!/+='&%C3%A9",                 // ECMAScript's `encodeURI`
    "c4nary%20S3cretC0re~(7f)*!/+=%27&%C3%A9",               // the query of a `URL`
    "c4nary+S3cretC0re%7E%287f%29*%21%2F%2B%3D%27%26%C3%A9", // HTML forms, Java
    "c4nary+S3cretC0re%7E%287f%29%2A%21%2F%2B%3D%27%26%C3%A9", // PHP's `urlencode`
];

/// The canary as an upstream may echo it.
fn spellings(canary: &str) -> Vec<String> {
    let mut spellings = vec![
        canary.to_owned(),
        hex::encode(canary),
        hex::encode_upper(canary),
        utf8_percent_encode(canary, NON_ALPHANUMERIC).to_string(),
        canary.replace('/', "\\/"),
    ];
    if canary == NASTY {
        spellings.extend(NASTY_IN_URLS.map(str::to_owned));
    }
    for prefix in ["", "u", "us", "user:"] {
        let text = format!("{prefix}{canary}");
        spellings.extend([STANDARD.encode(&text), URL_SAFE.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
    }
    spellings
}

/// The parts of those spellings that would give the canary away.
fn traces(canary: &str) -> Vec<String> {
    let mut traces = vec![CORE.to_lowercase(), hex::encode(CORE)];
    let whole = spellings(canary);
    traces.extend(whole.iter().map(|spelling| spelling.trim_end_matches('=').to_lowercase()));
    // Nine bytes from the middle of the core, as base64 shows them at each place within a group of three.
    for offset in 0..3 {
        let part = &CORE[offset % 2..9];
        let shifted = STANDARD.encode(format!("{}{part}", "x".repeat(offset)));
        traces.push(shifted[4..12].to_lowercase());
    }
    traces
}

#[track_caller]
fn assert_hidden(what: &str, output: &str, canary: &str) {
    let output = output.to_lowercase();
    for trace in traces(canary) {
        if let Some(at) = output.find(&trace) {
            let from = output.floor_char_boundary(at.saturating_sub(80));
            panic!("{what} has {trace} in `{}`", &output[from..at + trace.len()]);
        }
    }
}

/// The log of this thread.
#[derive(Clone, Default)]
struct LogLines(Arc<Mutex<Vec<u8>>>);

impl LogLines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn connector(kind: &str, settings: &Value) -> ConnectorDraft {
    let mapping = json!({ "externalIdPath": "$.raw", "mappings": [
        { "externalField": "raw", "internalField": "raw", "transform": "direct" },
        { "externalField": "nested", "internalField": "nested", "transform": "direct" },
    ] });
    ConnectorDraft {
        authentication_type: Some(kind.to_owned()),
        authentication_settings: Some(settings.clone()),
        mapping_configuration: Some(mapping),
        ..draft()
    }
}

/// A call that sends the canary itself, to see that the record of the request is clean as well.
fn call(canary: &str) -> CallDraft {
    CallDraft {
        method: Some("PUT".to_owned()),
        query: vec![("q".to_owned(), canary.to_owned()), ("api_key".to_owned(), "another".to_owned())],
        headers: vec![("X-Note".to_owned(), STANDARD.encode(canary))],
        apply_mapping: true,
        ..push(&json!({ "raw": canary, "spelled": spellings(canary) }))
    }
}

fn echoed_json(canary: &str) -> Value {
    json!({
        "raw": canary,
        "note": format!("your key is {canary}, is it not?"),
        canary: "as a name",
        format!("before-{canary}"): 1,
        "nested": { "list": spellings(canary), "again": [[{ "deep": canary }]] },
        "text": json!({ "inner": canary }).to_string(),
    })
}

fn echoed_text(canary: &str) -> String {
    format!("{}\n{}", spellings(canary).join(" and "), json!({ "inner": canary }))
}

fn with_echoing_headers(step: Step, canary: &str) -> Step {
    // Names come in lower case, and with a space it would be none.
    let name = if canary == PLAIN { canary.to_lowercase() } else { "x-name".to_owned() };
    let step = step
        .with_header("x-raw", canary)
        .with_header("set-cookie", &format!("sid={canary}"))
        .with_header("www-authenticate", &format!("Bearer realm=\"{canary}\""))
        .with_header(&name, "1");
    spellings(canary)
        .iter()
        .fold(step, |step, spelling| step.with_header("location", &format!("https://h.example/?k={spelling}")))
}

fn broken(canary: &str) -> Step {
    let failure = Failure::new(ErrorCode::ConnectionReset, format!("reset after {}", echoed_text(canary)));
    Step::Broken(failure.with_details(echoed_text(canary)))
}

async fn assert_nothing_leaks(kind: &str, settings: Value, canary: &str, secret: &str, steps: Vec<Step>) {
    // Other tests have no subscriber; without one that is always there, their threads could switch events off for all.
    static ALWAYS: Once = Once::new();
    ALWAYS.call_once(|| {
        let nowhere = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::sink);
        tracing::subscriber::set_global_default(nowhere.finish()).expect("no other is set");
    });
    let log = LogLines::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    world.secrets.put("HR", secret);
    let id = world.enabled(connector(kind, &settings)).await;
    let attempts = steps.len();
    let execution = world.executed(id, call(canary), steps).await;
    assert!(execution.recorded);
    assert_eq!(world.storage.only_call().attempts.len(), attempts);
    assert_hidden("the execution", &format!("{execution:?}"), canary);
    for record in execution.mapping.iter().flat_map(|mapping| &mapping.records) {
        assert_hidden("a record", &Value::Object(record.data.clone()).to_string(), canary);
    }
    assert_hidden("the store", &world.storage.dump(), canary);
    assert!(log.text().contains("call completed"));
    assert_hidden("the log", &log.text(), canary);
    assert!(world.storage.dump().contains("[REDACTED]"), "and it was there");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_echoed_secret_is_nowhere(
    #[values("ApiKey in a header", "ApiKey in the query", "Bearer", "Basic")] proof: &str,
    #[values(PLAIN, NASTY)] canary: &str,
    #[values("json", "text", "malformed", "failed", "refused")] answer: &str,
) {
    let (kind, settings) = match proof {
        "ApiKey in a header" => ("ApiKey", json!({ "headerName": "X-HR" })),
        "ApiKey in the query" => ("ApiKey", json!({ "queryParameter": "key" })),
        other => (other, json!({})),
    };
    let secret = if kind == "Basic" { format!("user:{canary}") } else { canary.to_owned() };
    let text = echoed_text(canary);
    let last = match answer {
        "json" => Step::json(200, &echoed_json(canary)),
        "text" => Step::body(200, "text/plain", text.as_bytes()),
        "malformed" => Step::body(200, "application/json", text.as_bytes()),
        "failed" => Step::json(400, &echoed_json(canary)),
        _ => Step::body(401, "text/html", text.as_bytes()),
    };
    let steps = vec![
        broken(canary),
        with_echoing_headers(Step::body(503, "text/plain", text.as_bytes()), canary),
        with_echoing_headers(last, canary),
    ];
    assert_nothing_leaks(kind, settings, canary, &secret, steps).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_the_failure_of_a_call_without_an_answer_is_nowhere() {
    let steps = (0..4).map(|_| broken(NASTY)).collect();
    assert_nothing_leaks("Bearer", json!({}), NASTY, NASTY, steps).await;
}

#[tokio::test]
async fn a_secret_in_a_large_answer_is_nowhere() {
    let many: Vec<Value> = (0..2_000).map(|_| echoed_json(PLAIN)).collect();
    let steps = vec![Step::json(200, &json!(many))];
    assert_nothing_leaks("Bearer", json!({}), PLAIN, PLAIN, steps).await;
}

#[rstest]
#[case::a_value(json!({ "id": 1, "raw": PLAIN }))]
#[case::a_part_of_a_value(json!({ "id": 1, "raw": format!("it is {PLAIN}!") }))]
#[case::a_value_under_a_telling_name(json!({ "id": 1, "raw": 1, "token": "unknown" }))]
#[case::a_value_within_a_value(json!({ "id": 1, "raw": 1, "nested": { "list": [1, { "deep": PLAIN }] } }))]
#[case::a_name_within_a_value(json!({ "id": 1, "raw": 1, "nested": { PLAIN: 1 } }))]
#[case::an_id(json!({ "id": PLAIN, "raw": 1 }))]
#[tokio::test]
async fn a_record_with_a_redacted_value_is_rejected(#[case] record: Value) {
    let world = World::new();
    world.secrets.put("HR", PLAIN);
    let direct = |field: &str| json!({ "externalField": field, "internalField": field, "transform": "direct" });
    let mapping = json!({ "externalIdPath": "$.id", "mappings": [direct("raw"), direct("nested"), direct("token")] });
    let id = world.enabled(ConnectorDraft { mapping_configuration: Some(mapping), ..draft() }).await;
    let answer = json!([{ "id": 0, "raw": 0 }, record, { "id": 2, "raw": 2 }]);
    let execution = world.executed(id, CallDraft { apply_mapping: true, ..pull() }, [Step::json(200, &answer)]).await;
    let outcome = execution.mapping.expect("mapped");
    let kept: Vec<_> = outcome.records.iter().filter_map(|record| record.external_id.as_deref()).collect();
    assert_eq!(kept, ["0", "2"]);
    assert_eq!(outcome.rejections.iter().map(|rejection| rejection.index).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn secrets_that_nobody_knows_are_found_by_their_names() {
    let world = World::new();
    let id = world.enabled(connector("ApiKey", &json!({}))).await;
    let body = json!({ "access_token": "unknown-1", "user": { "Password": "unknown-2" }, "nextPageToken": "2" });
    let answer = Step::json(200, &body).with_header("x-api-key", "unknown-3").with_header("x-page", "2");
    let call = CallDraft {
        query: vec![("client_secret".to_owned(), "unknown-4".to_owned()), ("page".to_owned(), "2".to_owned())],
        headers: vec![("X-Auth-Token".to_owned(), "unknown-5".to_owned())],
        ..push(&json!({ "credentials": { "a": "unknown-6" }, "year": 2026 }))
    };
    let execution = world.executed(id, call, [answer]).await;
    let everything = format!("{execution:?}{}", world.storage.dump());
    assert!(!everything.contains("unknown-"), "{everything}");
    let response = execution.response.expect("an answer");
    assert!(response.headers.contains(&("x-page".to_owned(), "2".to_owned())), "the rest stays");
    let request = world.storage.only_call().payloads.request.expect("a request");
    assert!(request["url"].as_str().is_some_and(|url| url.contains("page=2")));
    assert!(request["body"].as_str().is_some_and(|body| body.contains("2026")));
}

#[tokio::test]
async fn a_secret_in_the_path_of_a_call_is_nowhere() {
    let world = World::new();
    let id = world.enabled(connector("ApiKey", &json!({}))).await;
    world.secrets.put("HR", PLAIN);
    let call = CallDraft { endpoint: Some(format!("/bot/{PLAIN}/rows")), ..pull() };
    let execution = world.executed(id, call, [Step::json(200, &json!([]))]).await;
    assert_eq!(execution.log.intent.endpoint, "/bot/[REDACTED]/rows");
    let everything = format!("{execution:?}{}", world.storage.dump());
    assert!(!everything.contains(PLAIN), "{everything}");
}

#[tokio::test]
async fn a_redacted_value_is_no_reading_and_its_record_is_rejected() {
    let world = World::new();
    let mapping =
        json!({ "externalIdPath": "$.id", "mappings": [{ "externalField": "token", "internalField": "meter" }] });
    let id = world.enabled(ConnectorDraft { mapping_configuration: Some(mapping), ..open_draft() }).await;
    let rows = json!([{ "id": 1, "token": null }, 2, { "id": 3, "token": "abc" }, { "id": 4, "token": null }]);
    let call = CallDraft { apply_mapping: true, ..pull() };
    let execution = world.executed(id, call, [Step::json(200, &rows)]).await;
    let outcome = execution.mapping.expect("mapped");
    let kept: Vec<_> = outcome.records.iter().filter_map(|record| record.external_id.as_deref()).collect();
    let rejected: Vec<_> =
        outcome.rejections.iter().map(|rejection| (rejection.index, rejection.reason.as_str())).collect();
    assert_eq!(kept, ["1", "4"]);
    assert!(rejected[1].0 == 2 && rejected[1].1.contains("redacted"), "{rejected:?}");
    assert_eq!((rejected.len(), rejected[0].0), (2, 1));
}

#[tokio::test]
async fn a_telling_name_in_the_path_of_a_skipped_call_is_redacted_too() {
    let world = World::new();
    let id = world.registered(draft()).await.id;
    let call = CallDraft { endpoint: Some("/x;token=abcdefgh/rows".to_owned()), ..pull() };
    let execution = world.executed(id, call, []).await;
    assert_eq!(execution.log.intent.endpoint, "/x;token=[REDACTED]");
}

#[test]
fn a_name_of_a_megabyte_takes_no_longer_than_its_end() {
    let tokens = "tokens-".repeat(150_000);
    assert!(!is_secret_name(&format!("{tokens}max")));
    assert!(is_secret_name(&format!("{tokens}password")));
}

#[tokio::test]
async fn figures_and_codes_of_reports_are_left_as_they_are() {
    let world = World::new();
    let id = world.enabled(open_draft()).await;
    let body = json!({
        "pwd": 12, "tokensRetired": 120, "signatureOnFile": true, "cookies_kg": 12, "recoveryCode": "R3",
        "deviceCode": "M1", "pwd_employees": "12", "masterKey": "row 7", "password": null
    });
    let execution = world.executed(id, pull(), [Step::json(200, &body)]).await;
    assert_eq!(execution.response.map(|response| response.body), Some(AnsweredBody::Json(JsonText::from(&body))));
}

#[tokio::test]
async fn a_byte_order_mark_does_not_keep_json_from_being_read() {
    let world = World::new();
    let execution = world.pulled([Step::body(200, "application/json", "\u{feff}{\"a\":1}".as_bytes())]).await;
    assert_eq!(
        execution.response.map(|response| response.body),
        Some(AnsweredBody::Json(JsonText::from(&json!({ "a": 1 }))))
    );
}
