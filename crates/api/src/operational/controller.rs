//! The probes.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::problem::{Problem, ProblemCode};
use crate::query::Query;
use crate::state::ApiState;

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Whether the process lives
///
/// Needs no credentials and looks at nothing but the process itself.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Operational",
    responses((status = 200, description = "`ok`", content_type = "text/plain", body = String)),
    security(())
)]
pub(crate) async fn livez(query: Query) -> Result<Response, Problem> {
    query.finish()?;
    Ok(plain("ok\n".to_owned()))
}

/// Whether this replica can work
///
/// Needs no credentials. 503 while the store is away and from the moment the process was asked to end.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Operational",
    params(("verbose" = Option<String>, Query, description = "Lists the checks")),
    responses(
        (status = 200, description = "`ok`, or with `?verbose` the checks, a line each", content_type = "text/plain", body = String),
        (status = 503, description = "`store-unavailable`"),
    ),
    security(())
)]
pub(crate) async fn readyz(State(state): State<ApiState>, mut query: Query) -> Result<Response, Problem> {
    let verbose = query.flag("verbose");
    query.finish()?;
    let checks = state.services.health.checks().await;
    let mut lines = String::new();
    for check in &checks {
        let (mark, word) = if check.passed { ('+', "ok") } else { ('-', "failed") };
        let _infallible = writeln!(lines, "[{mark}] {} {word}", check.name);
    }
    if checks.iter().any(|check| !check.passed) {
        let detail = format!("not ready: {}", lines.trim().replace('\n', "; "));
        return Err(Problem::new(ProblemCode::StoreUnavailable, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("2")));
    }
    Ok(plain(if verbose { format!("{lines}ok\n") } else { "ok\n".to_owned() }))
}
