//! Headers that keep browsers from making more of an answer than it is.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// The reference page is the only one with scripts and styles, all its own.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// No other origin embeds an answer. Pages that may read one fetch it ([`crate::cors`]).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The reference page shares no process with the page that opened it.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const PERMITTED_POLICIES: HeaderName = HeaderName::from_static("x-permitted-cross-domain-policies");

/// Middleware: adds the headers to every answer.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let reference = path == "/docs" || path.starts_with("/docs/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(header::CONTENT_SECURITY_POLICY, if reference { REFERENCE_POLICY } else { POLICY });
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    put(RESOURCE_POLICY, "same-origin");
    put(OPENER_POLICY, "same-origin");
    put(PERMITTED_POLICIES, "none");
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
