//! The answer of an execution, as the demo reads it: what any client sees.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The answer of `POST …/execute`.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    pub(super) log: Log,
    pub(super) response: Option<Response>,
    pub(super) mapping: Option<Mapping>,
}

/// The upstream's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Response {
    pub(super) body: Value,
}

/// The log of the call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) connector_name: String,
    pub(super) correlation_id: String,
    pub(super) operation_type: String,
    pub(super) status: String,
    pub(super) endpoint: String,
    pub(super) http_status_code: Option<u16>,
    pub(super) attempt_count: u32,
    pub(super) error_code: Option<String>,
    pub(super) duration_ms: u64,
}

/// What became of the records.
#[derive(Debug, Deserialize)]
pub(super) struct Mapping {
    pub(super) records: Vec<Record>,
    pub(super) rejections: Vec<Rejection>,
}

/// A record in internal fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) external_id: Option<String>,
    pub(super) data: Map<String, Value>,
}

/// A record that was not mapped.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rejection {
    pub(super) external_id: Option<String>,
    pub(super) reason: String,
}

impl Outcome {
    /// What was called.
    pub(super) fn call(&self) -> String {
        format!("{} {}", self.log.operation_type, self.log.endpoint)
    }

    /// The status with a symbol, so that it does not hang on its colour.
    pub(super) fn status(&self) -> String {
        let symbol = match self.log.status.as_str() {
            "Success" => '✓',
            "Failed" => '✗',
            "Skipped" => '-',
            _ => '?',
        };
        format!("{symbol} {}", self.log.status)
    }

    /// The whole outcome in a few words.
    pub(super) fn in_words(&self) -> String {
        let attempts = match self.log.attempt_count {
            0 | 1 => String::new(),
            several => format!(" after {several} attempts"),
        };
        let code = self.log.error_code.as_deref().filter(|_| self.log.status == "Failed");
        let code = code.map_or_else(String::new, |code| format!(" ({code})"));
        format!("{}{attempts}{code}", self.status())
    }
}

/// Reads an answer of the service.
pub(super) fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|error| Failure::caused("the service's answer is not what it should be", &error))
}
