//! `Idempotency-Key`: the same key of the same principal with the same body has its effect once, and is answered as it
//! was the first time.

use std::sync::Arc;

use application::idempotency::{Once, OnceAnswer};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::idempotency::{Fingerprint, IdempotencyKey, StoredAnswer};
use serde::Serialize;
use serde_json::Value;

use crate::answer;
use crate::body;
use crate::problem::{Problem, ProblemCode};

/// The header that names a request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A JSON body that the operation needs, and the name of the request if it has one.
pub(crate) struct NamedBody {
    pub(crate) body: Value,
    name: Option<(IdempotencyKey, Fingerprint)>,
}

impl<S: Sync> FromRequest<S> for NamedBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let (parts, body) = request.into_parts();
        let bytes = body::needed(&parts.headers, body).await?;
        let fingerprint = |key| (key, Fingerprint::of(parts.method.as_str(), parts.uri.path(), &bytes));
        Ok(Self { body: body::parse(&bytes)?, name: key.map(fingerprint) })
    }
}

impl NamedBody {
    /// The body, and the request if it has a name, with what writes its answer.
    pub(crate) fn into_parts<T>(
        self,
        render: impl Fn(T) -> StoredAnswer + Send + Sync + 'static,
    ) -> (Value, Option<Once<T>>) {
        let once = self.name.map(|(key, fingerprint)| Once { key, fingerprint, render: Arc::new(render) });
        (self.body, once)
    }
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let malformed = |detail: &str| Problem::new(ProblemCode::MalformedRequest, detail);
    if values.next().is_some() {
        return Err(malformed("the header `Idempotency-Key` may stand there once"));
    }
    let key = value.to_str().ok().and_then(IdempotencyKey::parse);
    let wrong = || malformed("the header `Idempotency-Key` must be 1 to 255 printable ASCII characters");
    key.ok_or_else(wrong).map(Some)
}

/// An answer with a JSON body, as it is given and kept.
pub(crate) fn stored(status: StatusCode, headers: &[(HeaderName, String)], body: &impl Serialize) -> StoredAnswer {
    let body = answer::bytes(body).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer does not serialise");
        Vec::new()
    });
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone()));
    StoredAnswer { status: status.as_u16(), headers: headers.collect(), body: Arc::from(body) }
}

/// The answer on its way out.
pub(crate) fn respond(once: OnceAnswer) -> Response {
    let OnceAnswer { answer, replayed } = once;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, answer::MEDIA_TYPE)]).into_response();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    *response.body_mut() = Body::from(Bytes::from_owner(answer.body));
    response
}
