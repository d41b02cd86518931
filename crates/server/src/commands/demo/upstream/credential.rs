//! What each system of the upstream asks its callers for.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::commands::demo::secrets::Secret;

/// The header that a caller must send, and its only right value.
#[derive(Clone)]
pub(super) struct Credential {
    header: HeaderName,
    value: String,
}

impl Credential {
    pub(super) fn header(name: &'static str, key: &Secret) -> Self {
        Self { header: HeaderName::from_static(name), value: key.value.to_owned() }
    }

    pub(super) fn basic(user_and_password: &Secret) -> Self {
        let encoded = STANDARD.encode(user_and_password.value);
        Self { header: header::AUTHORIZATION, value: format!("Basic {encoded}") }
    }

    pub(super) fn bearer(token: &Secret) -> Self {
        Self { header: header::AUTHORIZATION, value: format!("Bearer {}", token.value) }
    }
}

/// 401 for whoever does not send the credential.
pub(super) async fn check(State(wanted): State<Credential>, request: Request, next: Next) -> Response {
    let given = request.headers().get(&wanted.header).map(HeaderValue::as_bytes);
    if given == Some(wanted.value.as_bytes()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": "unknown or expired credential" }))).into_response()
}
