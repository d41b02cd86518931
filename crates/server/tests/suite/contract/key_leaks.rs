//! SE-A-2: a key is shown once and is nowhere else: not in the database, the log, the metrics, or another answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::canary::spellings;
use crate::support::exchange::exchange;
use crate::support::service::Service;

const KEYS: &str = "/api/v1/keys";

/// Bytes as text of as many characters, so that text can be looked for in them.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Everything that gives a key away: its text, the bits behind it, and both in every usual encoding.
fn traces(key: &str) -> Vec<String> {
    let digits = key.strip_prefix("esgc_").expect("a key");
    let bits: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&digits[index..index + 2], 16).expect("hexadecimal"))
        .collect();
    let mut traces = [spellings(key), spellings(digits)].concat();
    traces.extend([latin1(&bits), STANDARD_NO_PAD.encode(&bits), URL_SAFE.encode(&bits), STANDARD.encode(&bits)]);
    traces.extend([digits.to_uppercase(), digits[8..40].to_owned()]);
    traces
}

#[track_caller]
fn assert_clean(place: &str, text: &str, keys: &[String]) {
    for (number, key) in keys.iter().enumerate() {
        for trace in traces(key) {
            // The trace itself stays out of what a failing test prints.
            assert!(!text.contains(&trace), "{place} gives key {number} away, in {} characters", trace.len());
        }
    }
}

#[rstest]
#[tokio::test]
async fn se_a_2_a_key_is_in_no_dump_no_log_no_metric_and_no_other_answer(#[values(Sqlite, Postgres)] engine: Engine) {
    let settings = [("CONNECTORS_AUTH_MODE", "api-key"), ("CONNECTORS_METRICS_LISTEN", "127.0.0.1:0")];
    let mut service = Service::configured(engine, &settings).await;
    let metrics = service.metrics_address();
    let admin = service.key("root", "admin", &[]);
    let mut keys = vec![admin.clone()];
    for name in ["plain", "named"] {
        let request = service.request("POST", KEYS).key(&admin);
        let request = if name == "named" { request.header("Idempotency-Key", "once") } else { request };
        let made = request.json(&json!({ "name": name, "role": "viewer", "reason": "tests" })).send().await.expect(201);
        keys.push(made["key"].as_str().expect("the key").to_owned());
    }
    let mut answers = Vec::new();
    let repeat = service.request("POST", KEYS).key(&admin).header("Idempotency-Key", "once");
    answers.push(repeat.json(&json!({ "name": "named", "role": "viewer", "reason": "tests" })).send().await);
    let revoke = service.request("GET", &format!("{KEYS}?name=plain")).key(&admin).send().await.expect(200);
    let revoke = format!("{KEYS}/{}/revoke", revoke["items"][0]["id"].as_str().expect("an id"));
    for (method, target) in [("POST", revoke.as_str()), ("GET", KEYS), ("GET", "/api/v1/audit"), ("GET", "/nothing")] {
        answers.push(service.request(method, target).key(&admin).send().await);
    }
    for key in &keys {
        // Taken, denied, refused, and wrong by a letter; each is looked at on its way.
        for target in [KEYS, "/api/v1/connectors", "/api/v1/nothing"] {
            answers.push(service.request("GET", target).key(key).send().await);
        }
        answers.push(service.request("GET", KEYS).key(&format!("{key}0")).send().await);
    }
    for answer in &answers {
        assert_clean("an answer", answer.text(), &keys);
        assert_clean("a header", &format!("{:?}", answer.headers), &keys);
    }
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {metrics}\r\nConnection: close\r\n\r\n");
    let metrics = exchange(metrics, request.as_bytes()).await;
    assert_eq!(metrics.status, 200);
    assert_clean("a metric", metrics.text(), &keys);

    let (log, database) = {
        // While it runs, SQLite's log of writes is a file of its own.
        assert_clean("the running database", &latin1(&service.database().dump()), &keys);
        service.stop()
    };
    let dump = latin1(&database.dump());
    assert_clean("the database", &dump, &keys);
    for key in &keys {
        let digest = domain::api_key::digest(key).expect("a key");
        let digest: String = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from_digit(digit.into(), 16).expect("a digit"))
            .collect();
        assert!(dump.contains(&digest), "the dump has what is kept of a key");
    }
    let log = Value::from(log).to_string();
    assert!(log.contains("API key created") && log.contains("credentials-refused"), "{log}");
    assert_clean("the log", &log, &keys);
}
