//! Reading JSON bodies: bounded in size, time and depth, in UTF-8, without repeated members.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::problem::{Problem, ProblemCode};

/// The largest body, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 32;

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
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Err(Problem::new(
                ProblemCode::MalformedJson,
                "the operation needs a JSON body, and this one is empty",
            ));
        }
        check_media_type(&parts.headers)?;
        parse(&bytes).map(Self)
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

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let collecting = Limited::new(body, MAX_BYTES).collect();
    let collected = tokio::time::timeout(READ_TIMEOUT, collecting)
        .await
        .map_err(|_| Problem::new(ProblemCode::RequestTimeout, "the body did not arrive within 30 seconds"))?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::new(ProblemCode::PayloadTooLarge, "the body has more than 1 MiB"))
        }
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

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedJson, detail);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is not UTF-8".to_owned()))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        malformed(format!("the body is not JSON: line {}, column {}", error.line(), error.column()))
    })?;
    value(raw, MAX_DEPTH).map_err(malformed)
}

/// Builds a value level by level, so that depth and repeated members are seen.
fn value(raw: &RawValue, depth: usize) -> Result<Value, String> {
    let text = raw.get();
    let deeper = || depth.checked_sub(1).ok_or_else(|| format!("the body is nested deeper than {MAX_DEPTH} levels"));
    let unreadable = |_| "the body is not JSON".to_owned();
    match text.as_bytes().first() {
        Some(b'{') => {
            let depth = deeper()?;
            let members: Members<'_> = serde_json::from_str(text).map_err(unreadable)?;
            let mut object = Map::new();
            for (name, member) in members.0 {
                if object.insert(name, value(member, depth)?).is_some() {
                    return Err("an object of the body has two members of the same name".to_owned());
                }
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let depth = deeper()?;
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(unreadable)?;
            elements.into_iter().map(|element| value(element, depth)).collect()
        }
        _ => serde_json::from_str(text).map_err(|_| "the body has text that is not Unicode".to_owned()),
    }
}

/// The members of an object as they stand there, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
