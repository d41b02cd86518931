//! The ways in which the upstream is difficult. What depends on earlier requests counts them per correlation id, so
//! that every call meets the same trouble from its start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(1_500);

/// How often each call has come so far.
#[derive(Clone, Default)]
pub(super) struct Visits(Arc<Mutex<HashMap<Vec<u8>, u32>>>);

impl Visits {
    /// Whether this call was turned away fewer than `times` times; once it was not, its count starts anew.
    fn turns_away(&self, times: u32, headers: &HeaderMap) -> bool {
        let call = headers.get("x-correlation-id").map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = visits.remove(&call).unwrap_or_default();
        if before >= times {
            return false;
        }
        visits.insert(call, before + 1);
        true
    }
}

/// 503, 503, then the answer.
pub(super) async fn flaky(State(visits): State<Visits>, request: Request, next: Next) -> Response {
    if visits.turns_away(2, request.headers()) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "report is being rebuilt" }))).into_response();
    }
    next.run(request).await
}

/// 429 with `Retry-After: 1`, then the answer.
pub(super) async fn rate_limited(State(visits): State<Visits>, request: Request, next: Next) -> Response {
    if visits.turns_away(1, request.headers()) {
        let body = Json(json!({ "error": "too many requests" }));
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], body).into_response();
    }
    next.run(request).await
}

/// The answer, late.
pub(super) async fn slow(request: Request, next: Next) -> Response {
    tokio::time::sleep(SLOW).await;
    next.run(request).await
}

/// 503 whenever it is asked.
pub(super) async fn in_maintenance() -> impl IntoResponse {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "maintenance until 06:00" })))
}
