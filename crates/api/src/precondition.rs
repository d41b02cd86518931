//! Entity tags: `ETag: "<version>"`, `If-Match`, `If-None-Match` (RFC 9110 §13.1).

use application::connector::Precondition;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use domain::connector::Connector;

use crate::problem::{Problem, ProblemCode};
use crate::state::ApiState;

/// The entity tag of a connector.
pub(crate) fn etag(connector: &Connector) -> (HeaderName, String) {
    (header::ETAG, format!("\"{}\"", connector.version))
}

/// `If-Match` of a change. Absent, or `*`, is no condition, unless the deployment wants one.
pub(crate) struct IfMatch(pub(crate) Precondition);

impl FromRequestParts<ApiState> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Some(tags) = tags(&parts.headers, &header::IF_MATCH) else {
            if state.options.require_if_match {
                let detail = "send `If-Match` with the `ETag` of the connector that you mean to change";
                return Err(Problem::new(ProblemCode::PreconditionRequired, detail));
            }
            return Ok(Self(Precondition::None));
        };
        if tags.contains(&"*") {
            return Ok(Self(Precondition::None));
        }
        // Strong comparison: a weak tag, or one that is no version of ours, matches nothing.
        Ok(Self(Precondition::OneOf(tags.into_iter().filter_map(version).collect())))
    }
}

/// Whether `If-None-Match` says that the caller has this very version.
pub(crate) fn is_current(headers: &HeaderMap, connector: &Connector) -> bool {
    let tags = tags(headers, &header::IF_NONE_MATCH).unwrap_or_default();
    tags.into_iter().any(|tag| tag == "*" || version(tag.strip_prefix("W/").unwrap_or(tag)) == Some(connector.version))
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    if values.is_empty() {
        return None;
    }
    Some(
        values
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect(),
    )
}

fn version(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let canonical = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}
