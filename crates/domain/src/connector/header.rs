//! Names of request headers, and those that the service alone sets (CO-2) or that only some may set.

use crate::fault::{FaultCode, Refusal};

/// Headers that neither a call nor a connector's settings may set: they frame the message, or identify the request.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-correlation-id",
];

/// Headers that say what the message is. A call may bring some of them; a key in their place would break every call.
const DESCRIPTIVE: &[&str] = &["accept", "content-encoding", "content-type", "date", "user-agent"];

/// Headers that carry credentials: authentication alone fills them.
const CREDENTIALS: &[&str] = &["authorization", "cookie"];

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|among| among.eq_ignore_ascii_case(name))
}

/// Whether the service alone sets this header.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    is_among(RESERVED, name)
}

/// Whether this header is for credentials, so that neither a call nor an idempotency key goes there.
#[must_use]
pub(super) fn carries_credentials(name: &str) -> bool {
    is_among(CREDENTIALS, name)
}

/// Reads the name of a header that a call may set: an RFC 9110 token of 1 to 100 characters.
///
/// # Errors
/// `invalid-value` when it is no token, `forbidden-header` when the service alone sets it.
pub fn parse_name(name: &str) -> Result<String, Refusal> {
    let token = (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !token {
        return Err(Refusal::new(
            FaultCode::InvalidValue,
            "must be a header name of 1 to 100 characters (RFC 9110 token)",
        ));
    }
    if is_reserved(name) {
        return Err(Refusal::new(FaultCode::ForbiddenHeader, "this header is set by the service alone"));
    }
    Ok(name.to_owned())
}

/// Reads the name of the header that carries an API key.
///
/// # Errors
/// As [`parse_name`], and `forbidden-header` when the header says what the message is.
pub(super) fn parse_key_name(name: &str) -> Result<String, Refusal> {
    let read = parse_name(name)?;
    if is_among(DESCRIPTIVE, name) {
        let detail = "this header says what the message is; a key needs another one";
        return Err(Refusal::new(FaultCode::ForbiddenHeader, detail));
    }
    Ok(read)
}

/// Reads the name of the header that carries an idempotency key.
///
/// # Errors
/// As [`parse_key_name`], and `forbidden-header` when the header is for credentials.
pub(super) fn parse_idempotency_name(name: &str) -> Result<String, Refusal> {
    let read = parse_key_name(name)?;
    if carries_credentials(name) {
        let detail = "this header carries credentials; an idempotency key needs another one";
        return Err(Refusal::new(FaultCode::ForbiddenHeader, detail));
    }
    Ok(read)
}

/// Reads the value of a request header: visible ASCII, spaces and tabs, at most 4 096 characters, no space around it.
///
/// # Errors
/// `invalid-value`.
pub fn parse_value(value: &str) -> Result<String, Refusal> {
    let fits = value.len() <= 4_096
        && value.trim() == value
        && value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte));
    if fits {
        Ok(value.to_owned())
    } else {
        Err(Refusal::new(
            FaultCode::InvalidValue,
            "must be at most 4096 characters of printable ASCII without space around it",
        ))
    }
}
