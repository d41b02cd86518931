//! An upstream's answer as callers get it.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

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
    Json(JsonText),
    /// Text in UTF-8.
    Text(String),
    /// Anything else; only its size and digest are told.
    Binary,
}

/// JSON as compact text. A tree takes many times as much memory, so none is kept for longer than it is worked on.
#[derive(Debug, Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text as a part of a larger document.
    #[must_use]
    pub fn into_raw(self) -> Box<RawValue> {
        self.0
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        Self(to_raw_value(value).expect("a tree of JSON can be written as JSON"))
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Display for JsonText {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
