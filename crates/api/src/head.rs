//! The bounds and the rules of a request's head, and the answer to one that could not be read at all (IN).

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::{Problem, ProblemCode};

/// The longest URL, in bytes as sent.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// The most header lines.
pub const MAX_HEADERS: usize = 100;

/// The most bytes of all header lines, each with its colon, one space and its line end.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What a header line has beside its name and its value.
const LINE_BYTES: usize = ": \r\n".len();

/// How much of a path is repeated, in a problem and in the log.
const MAX_SHOWN_BYTES: usize = 1024;

/// Why a head could not be read, as the reader of the connection found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// It is no HTTP/1.
    Malformed,
    /// It is the first message of TLS.
    Tls,
    /// It is the first message of HTTP/2.
    Http2,
    /// Its URL alone has more bytes than a head may have.
    UrlTooLong,
    /// It has more header lines, or more bytes, than a head may have.
    HeadersTooLarge,
    /// The length that it gives its body is beyond all bounds.
    BodyTooLarge,
    /// It began and did not end in time.
    TimedOut,
}

impl HeadFault {
    /// A request that stands for the one whose head could not be read. The router answers it as it answers others, with a
    /// correlation id, a line of the log and a problem.
    #[must_use]
    pub fn into_request(self) -> Request {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = unread_method();
        *request.uri_mut() = Uri::from_static("*");
        request.extensions_mut().insert(self);
        request
    }

    fn problem(self) -> Problem {
        let (code, detail) = match self {
            Self::Malformed => (ProblemCode::MalformedRequest, "the head of the request is not HTTP/1.1"),
            Self::Tls => {
                (ProblemCode::MalformedRequest, "this port speaks HTTP without TLS; TLS is for the proxy in front")
            }
            Self::Http2 => (ProblemCode::MalformedRequest, "this port speaks HTTP/1.1, and no HTTP/2"),
            Self::UrlTooLong => return url_too_long(),
            Self::HeadersTooLarge => return headers_too_large(),
            Self::BodyTooLarge => (ProblemCode::PayloadTooLarge, "the body has more than 1 MiB"),
            Self::TimedOut => (ProblemCode::RequestTimeout, "the head of the request did not arrive within 10 seconds"),
        };
        Problem::new(code, detail)
    }
}

/// What the log says in the place of a method that was not read.
fn unread_method() -> Method {
    Method::from_bytes(b"UNREAD").unwrap_or_default()
}

/// As much of a path as may be repeated.
pub(crate) fn shown(path: &str) -> &str {
    &path[..path.floor_char_boundary(MAX_SHOWN_BYTES)]
}

/// Middleware: refuses heads beyond the bounds, and those that two readers could understand differently.
pub(crate) async fn judge(request: Request, next: Next) -> Response {
    if let Some(fault) = request.extensions().get::<HeadFault>() {
        tracing::info!(reason = ?fault, "the head of a request could not be read");
        return fault.problem().into_response();
    }
    match refuse(&request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refuse(request: &Request) -> Option<Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    if url_bytes(uri) > MAX_URL_BYTES {
        return Some(url_too_long());
    }
    if headers.len() > MAX_HEADERS || header_bytes(headers) > MAX_HEADER_BYTES {
        return Some(headers_too_large());
    }
    if !coding_is_known(headers) {
        return Some(ambiguous("`Transfer-Encoding` must be `chunked`, once, or not be there"));
    }
    match host(request) {
        Ok(host) if leads_elsewhere(request, host) => Some(ambiguous("the URL names another host than `Host`")),
        Ok(_) => None,
        Err(()) => {
            Some(ambiguous("a request needs one `Host`, a host name or an address, with its port where it has one"))
        }
    }
}

fn url_too_long() -> Problem {
    Problem::new(ProblemCode::UrlTooLong, "the URL has more than 8 KiB")
}

fn headers_too_large() -> Problem {
    Problem::new(ProblemCode::HeadersTooLarge, "the headers have more than 16 KiB, or are more than 100")
}

/// Where the sender's idea of the request may be another one, nothing that follows on the connection is believed.
fn ambiguous(detail: &str) -> Problem {
    Problem::new(ProblemCode::MalformedRequest, detail)
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

fn url_bytes(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    scheme + authority + uri.path_and_query().map_or(0, |path| path.as_str().len())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES).sum()
}

fn coding_is_known(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// The one `Host` (RFC 9112 §3.2), `None` in a request of HTTP/1.0 that has none.
fn host(request: &Request) -> Result<Option<&str>, ()> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => Ok(None),
        (Some(host), None) => host.to_str().ok().filter(|host| is_host(host)).map(Some).ok_or(()),
        _ => Err(()),
    }
}

/// The empty one is that of a URL without a host.
fn is_host(host: &str) -> bool {
    host.is_empty()
        || host.parse::<Authority>().is_ok_and(|authority| {
            let port = authority.as_str().strip_prefix(authority.host()).unwrap_or("@");
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
}

fn leads_elsewhere(request: &Request, host: Option<&str>) -> bool {
    let Some(authority) = request.uri().authority() else { return false };
    host.is_some_and(|host| !host.eq_ignore_ascii_case(authority.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let builder = Request::builder().uri(uri);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).expect("a request")
    }

    fn accepted(uri: &str, headers: &[(&str, &str)]) -> bool {
        refuse(&request(uri, headers)).is_none()
    }

    #[test]
    fn in_a_request_has_one_host_that_is_one() {
        for host in ["localhost", "127.0.0.1:8080", "[::1]:80", "a.example", ""] {
            assert!(accepted("/", &[("host", host)]), "{host}");
        }
        for host in ["a b", "me@a.example", "a.example:x", "a.example:99999", "a.example/x"] {
            assert!(!accepted("/", &[("host", host)]), "{host}");
        }
        assert!(!accepted("/", &[]));
        assert!(!accepted("/", &[("host", "a.example"), ("host", "a.example")]));
        assert!(accepted("http://a.example/x", &[("host", "A.example")]));
        assert!(!accepted("http://b.example/x", &[("host", "a.example")]));
    }

    #[test]
    fn in_the_only_transfer_coding_is_chunked() {
        for (coding, fine) in [("chunked", true), ("Chunked", true), ("gzip, chunked", false), ("chunked;q=1", false)] {
            assert_eq!(accepted("/", &[("host", "a"), ("transfer-encoding", coding)]), fine, "{coding}");
        }
        assert!(!accepted("/", &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]));
    }

    #[test]
    fn in_what_is_shown_of_a_path_ends_between_two_characters() {
        let path = format!("/{}", "é".repeat(1_000));
        assert_eq!(shown(&path).len(), 1_023);
        assert_eq!(shown("/livez"), "/livez");
    }
}
