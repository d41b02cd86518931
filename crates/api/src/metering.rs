//! Counting requests, by the templates of their paths.

use std::sync::Arc;

use application::ports::Meter;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

/// Middleware: counts a request when it is answered. A path that is no operation counts as `none`, and a method that none
/// has as `other`, so that callers cannot make up new series.
pub(crate) async fn count(State(meter): State<Arc<dyn Meter>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    meter.request_answered(method, route, answer.status().as_u16(), begun.elapsed());
    answer
}

const fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
