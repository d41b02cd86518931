//! What an upstream answered, read and redacted. Nothing unredacted leaves this module.

use domain::failure::{ErrorCode, Failure};
use domain::json;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::payload;
use super::response::{AnsweredBody, AnsweredResponse, JsonText};
use crate::ports::UpstreamResponse;
use crate::redaction::Redactor;

/// How much of an upstream's own explanation is kept with a failure, in characters.
const EXPLANATION: usize = 1_000;

/// An answer, and what is wrong with it.
pub(super) struct Answer {
    response: AnsweredResponse,
    /// The body as a tree, where it is JSON.
    tree: Option<Value>,
    malformed: Option<String>,
}

impl Answer {
    pub(super) fn read(response: &UpstreamResponse, redactor: &Redactor) -> Self {
        let body_bytes = response.body.len();
        let body_sha256 = Sha256::digest(&response.body).into();
        let ReadBody { body, tree, malformed } = ReadBody::of(response, redactor);
        let headers = joined(&response.headers)
            .into_iter()
            .map(|(name, value)| {
                let value = payload::storable(&redactor.named(&name, &value));
                (redactor.text(&name), value)
            })
            .collect();
        let response = AnsweredResponse { status_code: response.status, headers, body, body_bytes, body_sha256 };
        Self { response, tree, malformed }
    }

    /// The failure of an answer whose status is a success and whose body is not what it says.
    pub(super) fn fault(&self) -> Option<Failure> {
        self.malformed.as_ref().map(|cause| malformed("the answer says that it is JSON and is not").with_details(cause))
    }

    /// Adds the upstream's own explanation to a failure, so that people learn why.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        if failure.details.is_some() {
            return failure;
        }
        let explanation = match &self.response.body {
            AnsweredBody::Json(json) => json.as_str(),
            AnsweredBody::Text(text) => text,
            AnsweredBody::Empty | AnsweredBody::Binary => return failure,
        };
        let start: String = explanation.trim().chars().take(EXPLANATION).collect();
        if start.is_empty() { failure } else { failure.with_details(payload::storable(&start)) }
    }

    /// The JSON that a mapping is applied to; `None` where there is nothing to map.
    pub(super) fn records(&self) -> Result<Option<&Value>, Failure> {
        match (&self.tree, &self.response.body) {
            (Some(tree), _) => Ok(Some(tree)),
            (None, AnsweredBody::Empty) if self.response.status_code == 204 => Ok(None),
            _ => Err(malformed("the mapping needs JSON, and the answer is not JSON")),
        }
    }

    pub(super) fn into_response(self) -> AnsweredResponse {
        self.response
    }
}

fn malformed(message: &str) -> Failure {
    Failure::new(ErrorCode::MalformedResponse, message)
}

/// A body as it was read.
struct ReadBody {
    body: AnsweredBody,
    tree: Option<Value>,
    malformed: Option<String>,
}

impl ReadBody {
    fn of(response: &UpstreamResponse, redactor: &Redactor) -> Self {
        if response.body.is_empty() {
            return Self { body: AnsweredBody::Empty, tree: None, malformed: None };
        }
        let media_type = media_type(response);
        let says_json = media_type.as_deref().is_some_and(|media_type| {
            media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
        });
        let Ok(text) = std::str::from_utf8(&response.body) else {
            let malformed = says_json.then(|| "it is not UTF-8".to_owned());
            return Self { body: AnsweredBody::Binary, tree: None, malformed };
        };
        let mut malformed = None;
        if says_json || media_type.is_none() {
            // RFC 8259 §8.1 lets a reader pass over a byte order mark, and some systems write one.
            let document = text.strip_prefix('\u{feff}').unwrap_or(text);
            match json::parse(document, json::Rules::LENIENT) {
                Ok(tree) => {
                    let tree = redactor.json(tree);
                    return Self { body: AnsweredBody::Json(JsonText::from(&tree)), tree: Some(tree), malformed: None };
                }
                Err(error) if says_json => malformed = Some(error.to_string()),
                Err(_) => {}
            }
        }
        Self { body: AnsweredBody::Text(redactor.text(text)), tree: None, malformed }
    }
}

fn media_type(response: &UpstreamResponse) -> Option<String> {
    let (_, value) = response.headers.iter().find(|(name, _)| name == "content-type")?;
    value.split(';').next().map(|media_type| media_type.trim().to_ascii_lowercase())
}

fn joined(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        match joined.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => joined.push((name.clone(), value.clone())),
        }
    }
    joined
}
