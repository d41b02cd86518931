//! What is kept of a request and its answer for the page of a log: redacted, bounded, and free of what a store cannot
//! hold.

use std::fmt::Write as _;

use domain::json;
use domain::redaction::REDACTED;
use serde_json::{Map, Value, json};

use super::response::{AnsweredBody, AnsweredResponse};
use crate::ports::{CallPlan, Credential};
use crate::redaction::Redactor;

/// How much of a body, of a URL, and of the headers together is kept, in bytes.
const KEPT: usize = 16 * 1024;

/// The request, as it is kept: `url`, `headers`, `headersTruncated`, `body`, `bodyBytes`, `bodyTruncated`.
pub(super) fn request(plan: &CallPlan, redactor: &Redactor) -> Value {
    let mut headers: Map<String, Value> = plan
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), Value::String(redactor.named(name, value))))
        .collect();
    headers.insert("x-correlation-id".to_owned(), json!(plan.correlation_id.as_str()));
    if let Some((name, key)) = &plan.idempotency_key {
        headers.insert(name.to_ascii_lowercase(), json!(key));
    }
    let mut url = redactor.url(&plan.url);
    match &plan.credential {
        Credential::None => {}
        Credential::Header(name, _) => {
            headers.insert(name.to_ascii_lowercase(), json!(REDACTED));
        }
        Credential::Query(name, _) => {
            let separator = if url.contains('?') { '&' } else { '?' };
            let _infallible = write!(url, "{separator}{name}={REDACTED}");
        }
    }
    // Read once more, rather than kept as a tree while the upstream takes its time.
    let body = plan.body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
    let body = body.and_then(|body| json::parse(body, json::Rules::LENIENT).ok());
    let body = body.map(|body| redactor.json(body).to_string());
    let kept = body.as_deref().map(keep);
    let (headers, headers_truncated) = keep_headers(headers);
    json!({
        "url": storable(keep(&url).0),
        "headers": headers,
        "headersTruncated": headers_truncated,
        "body": kept.map(|(text, _)| storable(text)),
        "bodyBytes": plan.body.as_ref().map_or(0, Vec::len),
        "bodyTruncated": kept.is_some_and(|(_, truncated)| truncated),
    })
}

/// The answer, as it is kept: `statusCode`, `headers`, `headersTruncated`, `body`, `bodyBytes`, `bodySha256`, `bodyTruncated`.
pub(super) fn response(answer: &AnsweredResponse) -> Value {
    let body = match &answer.body {
        AnsweredBody::Empty | AnsweredBody::Binary => None,
        AnsweredBody::Json(json) => Some(json.as_str()),
        AnsweredBody::Text(text) => Some(text.as_str()),
    };
    let kept = body.map(keep);
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
    let (headers, headers_truncated) = keep_headers(headers);
    json!({
        "statusCode": answer.status_code,
        "headers": headers,
        "headersTruncated": headers_truncated,
        "body": kept.map(|(text, _)| storable(text)),
        "bodyBytes": answer.body_bytes,
        "bodySha256": hex::encode(answer.body_sha256),
        "bodyTruncated": kept.is_some_and(|(_, truncated)| truncated),
    })
}

/// Text that every store can hold: PostgreSQL has no NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// As many headers, in their order, as there is room for.
fn keep_headers(headers: impl IntoIterator<Item = (String, Value)>) -> (Map<String, Value>, bool) {
    let mut kept = Map::new();
    let mut room = KEPT;
    for (name, value) in headers {
        let size = name.len() + value.as_str().map_or(0, str::len);
        let Some(left) = room.checked_sub(size) else { return (kept, true) };
        room = left;
        kept.insert(name, value);
    }
    (kept, false)
}

fn keep(text: &str) -> (&str, bool) {
    if text.len() <= KEPT {
        return (text, false);
    }
    (&text[..text.floor_char_boundary(KEPT)], true)
}
