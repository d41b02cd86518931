//! Writing problems where answers leave the service.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::correlation::CorrelationId;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, ProblemCode};
use crate::head::{HeadFault, shown};

/// What HTTP servers put up with in a path, and a URI reference (RFC 3986) does not.
const OUTSIDE_OF_A_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// One member that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemError)]
struct ProblemError {
    /// RFC 6901 pointer into the request body, or `/<name>` of a query parameter.
    #[schema(example = "/retryDelaySeconds")]
    pointer: String,
    /// The rule that was broken.
    #[schema(example = "out-of-range")]
    code: &'static str,
    /// What would be right.
    #[schema(example = "must be from 0 to 300, in steps of 0.001")]
    detail: String,
}

/// RFC 9457 problem details.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemDetails {
    /// A relative reference to the page that explains the problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation-failed", format = "uri-reference")]
    kind: String,
    /// The same for every occurrence of the problem.
    #[schema(example = "The input is invalid")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The path of the request, cut after 1,024 bytes; empty where the request could not be read.
    #[schema(example = "/api/v1/connectors", format = "uri-reference")]
    instance: String,
    /// The problem's name in the closed list of `docs/errors.md`.
    #[schema(example = "validation-failed")]
    code: &'static str,
    /// The id under which the service's log has the request.
    correlation_id: String,
    /// Every member that is wrong, up to 100; only for invalid input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemError>,
}

/// Middleware: writes the body of every problem, also of the bare errors of layers below.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let instance = match request.extensions().get::<HeadFault>() {
        Some(_) => String::new(),
        None => reference(shown(request.uri().path())),
    };
    let correlation = request.extensions().get::<CorrelationId>().cloned();
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| bare(&response));
    let Some(problem) = problem else { return response };
    let details = details(problem, instance, correlation.as_ref());
    let mut body = serde_json::to_vec(&details).unwrap_or_default();
    body.push(b'\n');
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

/// The path as a URI reference: what cannot stand in one is percent-encoded, escapes that are there stay.
fn reference(path: &str) -> String {
    let encoded = utf8_percent_encode(path, OUTSIDE_OF_A_PATH).to_string();
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut reference, part| {
        let is_escape = part.len() >= 2 && part.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
        reference.push_str(if is_escape { "%" } else { "%25" });
        reference.push_str(part);
        reference
    })
}

fn bare(response: &Response) -> Option<Problem> {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()).then(|| {
        let code = ProblemCode::of_status(status.as_u16());
        Problem::new(code, code.explanation())
    })
}

fn details(problem: Problem, instance: String, correlation: Option<&CorrelationId>) -> ProblemDetails {
    let errors = problem.errors.into_iter();
    ProblemDetails {
        kind: format!("/problems/{}", problem.code.as_str()),
        title: problem.code.title(),
        status: problem.code.status(),
        detail: problem.detail,
        instance,
        code: problem.code.as_str(),
        correlation_id: correlation.map(ToString::to_string).unwrap_or_default(),
        errors: errors
            .map(|fault| ProblemError { pointer: fault.pointer, code: fault.code.as_str(), detail: fault.detail })
            .collect(),
    }
}

/// DU-7: a panic is a problem, and the process lives. What the panic said goes to the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the signature that `CatchPanicLayer` calls")]
pub(crate) fn from_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned());
    tracing::error!(panic = %said, "a handler panicked");
    Problem::new(ProblemCode::InternalError, ProblemCode::InternalError.explanation()).into_response()
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn an_instance_is_a_reference_whatever_the_path_is() {
        for (path, expected) in [
            ("/api/v1/connectors", "/api/v1/connectors"),
            ("/a%20b/%C3%A4/:@!$&'()*+,;=~", "/a%20b/%C3%A4/:@!$&'()*+,;=~"),
            ("/ä", "/%C3%A4"),
            ("/${7*7}\"<|>", "/$%7B7*7%7D%22%3C%7C%3E"),
            ("/%", "/%25"),
            ("/%zz%4", "/%25zz%254"),
        ] {
            assert_eq!(reference(path), expected);
        }
    }
}
