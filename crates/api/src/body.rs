//! Reading JSON bodies: bounded in size, time and depth, in UTF-8, without repeated members.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use domain::json::{self, Malformed, Rules};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::problem::{Problem, ProblemCode};

/// The largest body, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The deepest nesting of arrays and objects, and what else a body must do without.
const RULES: Rules = Rules { depth: 32, repeated_members: false };

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body that the operation needs.
pub(crate) struct JsonBody(pub(crate) Value);

/// A JSON body that the operation can do without; an empty one passes whatever its media type.
pub(crate) struct OptionalJsonBody(pub(crate) Option<Value>);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        parse(&needed(&parts.headers, body).await?).map(Self)
    }
}

impl<S: Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&parts.headers)?;
        parse(&bytes).map(|body| Self(Some(body)))
    }
}

/// The bytes of a body that the operation needs, which say that they are JSON.
pub(crate) async fn needed(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Err(Problem::new(ProblemCode::MalformedJson, "the operation needs a JSON body, and this one is empty"));
    }
    check_media_type(headers)?;
    Ok(bytes)
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(ProblemCode::PayloadTooLarge, "the body has more than 1 MiB");
    if body.size_hint().lower() > MAX_BYTES as u64 {
        // Whoever waits for `100 Continue` sends nothing in vain.
        return Err(too_large());
    }
    let collecting = Limited::new(body, MAX_BYTES).collect();
    let collected = tokio::time::timeout(READ_TIMEOUT, collecting)
        .await
        .map_err(|_| Problem::new(ProblemCode::RequestTimeout, "the body did not arrive within 30 seconds"))?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(_) => Err(Problem::new(ProblemCode::MalformedRequest, "the body ended early")),
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refused("the body must come without `Content-Encoding`");
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if essence != "application/json" || !utf8 {
        return refused("the body must come as `Content-Type: application/json`, in UTF-8");
    }
    Ok(())
}

/// Reads JSON by the rules of all bodies.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedJson, detail);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is not UTF-8".to_owned()))?;
    json::parse(text, RULES).map_err(|error| {
        malformed(match error {
            Malformed::Syntax { line, column, .. } => format!("the body is not JSON: line {line}, column {column}"),
            Malformed::NotUnicode => "the body has text that is not Unicode".to_owned(),
            Malformed::TooDeep(levels) => format!("the body is nested deeper than {levels} levels"),
            Malformed::RepeatedMember => "an object of the body has two members of the same name".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn numbers_keep_every_digit_and_members_their_order() {
        let text = r#"{"b": 1.10, "a": [123456789012345678901234567890, -0.0, 1e+400], "c": {"d": null}}"#;
        let value = parse(text.as_bytes()).expect("JSON");
        assert_eq!(value.to_string(), text.replace(' ', ""));
    }

    #[test]
    fn repeated_members_deep_nesting_and_half_characters_are_refused() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(32).as_bytes()).is_ok());
        let deep = nested(100_000);
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"\u0061":2}}"#,
            &nested(33),
            &deep,
            r#""\ud800""#,
            "",
            "{",
            "nul",
            "1 2",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn the_internal_spelling_of_numbers_is_an_ordinary_member() {
        let text = r#"{"$serde_json::private::Number":"1"}"#;
        assert_eq!(parse(text.as_bytes()).expect("JSON").as_object().map(Map::len), Some(1));
        assert_ne!(parse(text.as_bytes()).expect("JSON"), json!(1));
    }
}
