//! The variable segment of a path.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use domain::id::{ApiKeyId, ConnectorId};

use crate::problem::{Problem, ProblemCode};

/// The segment, decoded; empty where it does not decode to text. Nothing has an empty name, so that such a path ends as
/// any other that names nothing.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(segment.map(|Path(segment)| segment).unwrap_or_default()))
    }
}

/// The id in a path; one that is no id names no connector.
pub(crate) fn connector_id(text: &str) -> Result<ConnectorId, Problem> {
    ConnectorId::parse(text)
        .ok_or_else(|| Problem::new(ProblemCode::ConnectorNotFound, "there is no connector of this id"))
}

/// The id in a path; one that is no id names no key.
pub(crate) fn key_id(text: &str) -> Result<ApiKeyId, Problem> {
    ApiKeyId::parse(text).ok_or_else(|| Problem::new(ProblemCode::KeyNotFound, "there is no API key of this id"))
}
