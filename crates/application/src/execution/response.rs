//! An upstream's answer as callers get it.

use serde_json::Value;

/// An upstream's answer as the caller gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredResponse {
    /// The status.
    pub status_code: u16,
    /// The headers, names in lower case; several values are joined with `, `.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: AnsweredBody,
    /// The size of the body after decompression, before redaction.
    pub body_bytes: usize,
    /// The SHA-256 of the same bytes.
    pub body_sha256: [u8; 32],
}

/// A body by what it is.
#[derive(Debug, Clone, PartialEq)]
pub enum AnsweredBody {
    /// There was none.
    Empty,
    /// JSON.
    Json(Value),
    /// Text in UTF-8.
    Text(String),
    /// Anything else; only its size and digest are told.
    Binary,
}
