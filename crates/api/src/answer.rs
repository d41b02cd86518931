//! JSON answers: `application/json; charset=utf-8`, ending in a newline.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::{Problem, ProblemCode};

/// The media type of every JSON answer that is no problem.
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A body as it goes out.
pub(crate) fn bytes(body: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(body)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A success with a JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match bytes(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer does not serialise");
            Problem::new(ProblemCode::InternalError, "the service could not write its answer").into_response()
        }
    }
}

/// A 200 with a JSON body.
pub(crate) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// A moment as the contract writes it: RFC 3339, UTC, `Z`, microseconds.
pub(crate) fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
