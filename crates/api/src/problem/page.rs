//! The pages to which the `type` of a problem leads.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::{Problem, ProblemCode};
use crate::query::Query;
use crate::segment::Segment;

/// The page of a problem
///
/// What a problem means and what a caller can do, for people. Needs no credentials.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "showProblem",
    tag = "Operational",
    params(("code" = String, Path, description = "The `code` of a problem", example = "connector-not-found")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String)),
    security(())
)]
pub(crate) async fn show_problem(Segment(code): Segment, query: Query) -> Result<Response, Problem> {
    query.finish()?;
    let code = ProblemCode::parse(&code)
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, "there is no problem of this code"))?;
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n\
         <h1>{title}</h1>\n<p>Code <code>{code}</code>, HTTP status {status}.</p>\n<p>{explanation}</p>\n</body>\n</html>\n",
        title = code.title(),
        code = code.as_str(),
        status = code.status(),
        explanation = escaped(code.explanation()),
    );
    Ok(([(header::CACHE_CONTROL, "max-age=3600")], Html(page)).into_response())
}

/// The explanations mark code with backticks, and write `<` for a placeholder.
fn escaped(explanation: &str) -> String {
    let escaped = explanation.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped
        .split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}
