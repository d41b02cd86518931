//! Which pages of other origins may read answers (IN). A page asks on behalf of its visitor, and has to bring a bearer token:
//! nothing that a browser would add by itself counts as credentials here.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_NONE_MATCH, LOCATION, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::correlation::CORRELATION_HEADER;

/// For how long a browser may go on without asking again.
const MAX_AGE: Duration = Duration::from_mins(10);

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];

/// What a page may send beside what every page may.
const REQUEST_HEADERS: [HeaderName; 9] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    CORRELATION_HEADER,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// What a page may read beside what every page may.
const ANSWER_HEADERS: [HeaderName; 11] = [
    ALLOW,
    CONTENT_DISPOSITION,
    ETAG,
    LOCATION,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    CORRELATION_HEADER,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-integration-status"),
];

/// The layer for exactly these origins; `None` without any, so that no answer speaks of origins at all.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods(METHODS)
            .allow_headers(REQUEST_HEADERS)
            .expose_headers(ANSWER_HEADERS)
            .max_age(MAX_AGE)
    })
}

/// Middleware, before the authentication: answers preflights, which bring no credentials, and lets listed origins read
/// the answers to all else.
pub(crate) async fn share(State(layer): State<Option<CorsLayer>>, request: Request, next: Next) -> Response {
    let Some(layer) = layer else { return next.run(request).await };
    let preflight = is_preflight(&request);
    if request.method() == Method::OPTIONS && !preflight {
        // The layer takes every OPTIONS for a preflight. This one is an ordinary request, for a method that nothing has.
        return next.run(request).await;
    }
    let mut response = layer.layer(next).oneshot(request).await.into_response();
    if preflight {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
