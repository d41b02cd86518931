//! A call and its outcome as the contract writes them.

use application::execution::{AnsweredBody, AnsweredResponse, Execution, JsonText};
use domain::call::CallDraft;
use domain::mapping::{MappedRecord, MappingOutcome, Rejection};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::integration_logs::dto::IntegrationLogDto;
use crate::members::Members;

/// A call through a connector.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExecuteRequest)]
#[expect(dead_code, reason = "describes the request; `draft` reads it member by member, to find every fault at once")]
pub(crate) struct ExecuteRequest {
    /// `pull` or `push`; must be among the connector's capabilities.
    #[schema(example = "pull")]
    operation_type: String,
    /// `GET` (default for a pull), `POST` (default for a push), `PUT`, `PATCH`, `DELETE` or `HEAD`.
    #[schema(value_type = String, required = false, example = "GET")]
    method: Option<String>,
    /// A path below the connector's base URL.
    #[schema(max_length = 2_048, example = "/employees")]
    endpoint: String,
    /// Query parameters, unencoded: strings, numbers or booleans.
    #[schema(value_type = Option<Object>, example = json!({ "page": "1" }))]
    query: Option<Value>,
    /// Request headers.
    #[schema(value_type = Option<Object>, example = json!({ "Accept-Language": "en" }))]
    headers: Option<Value>,
    /// Any JSON; null is no body.
    #[schema(value_type = Option<Value>)]
    body: Option<Value>,
    /// Whether the connector's mapping is applied to the answer; false unless given.
    #[schema(value_type = bool, required = false)]
    apply_mapping: Option<bool>,
}

/// Reads a call.
pub(crate) fn draft(mut members: Members) -> CallDraft {
    let draft = CallDraft {
        operation_type: members.text("operationType"),
        method: members.text("method"),
        endpoint: members.text("endpoint"),
        query: members.scalars("query"),
        headers: members.scalars("headers"),
        body: members.any("body").filter(|body| !body.is_null()).map(|body| body.to_string().into()),
        apply_mapping: members.boolean("applyMapping").unwrap_or_default(),
        faults: domain::fault::Faults::new(),
    };
    CallDraft { faults: members.finish(), ..draft }
}

/// What a call came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Execution)]
pub(crate) struct ExecutionDto {
    /// The record of the call, with its outcome.
    log: IntegrationLogDto,
    /// The upstream's last answer, redacted; null when none came.
    #[schema(required)]
    response: Option<ResponseDto>,
    /// False when the store was away and the outcome is still being written.
    recorded: bool,
    /// The mapped records; null when no mapping was applied.
    #[schema(required)]
    mapping: Option<MappingDto>,
}

/// An upstream's answer, redacted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UpstreamResponse)]
pub(crate) struct ResponseDto {
    /// Its status.
    #[schema(example = 200)]
    status_code: u16,
    /// Its headers, names in lower case.
    #[schema(value_type = Object, example = json!({ "content-type": "application/json" }))]
    headers: Map<String, Value>,
    /// The JSON value, a string for text, null for binary or nothing.
    #[schema(required, value_type = Option<Value>)]
    body: Box<RawValue>,
    /// The size of the body after decompression, before redaction.
    body_bytes: usize,
    /// The SHA-256 of the same bytes, in hexadecimal.
    body_sha256: String,
}

/// What the connector's mapping made of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mapping)]
pub(crate) struct MappingDto {
    /// The records that were mapped.
    records: Vec<MappedRecordDto>,
    /// The records that were refused, with the reason.
    rejections: Vec<RejectionDto>,
}

/// A mapped record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MappedRecord)]
pub(crate) struct MappedRecordDto {
    /// Its id at the source; null where the mapping names none.
    #[schema(required, example = "EMP001")]
    external_id: Option<String>,
    /// The internal fields; numbers keep their exact decimal value.
    #[schema(value_type = Object, example = json!({ "totalEmployees": 250 }))]
    data: Map<String, Value>,
}

/// A record that was refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rejection)]
pub(crate) struct RejectionDto {
    /// Its place at the source, from 0.
    index: usize,
    /// Its id at the source, where it has one.
    #[schema(required)]
    external_id: Option<String>,
    /// Why.
    #[schema(example = "Required field 'employee_count' is missing")]
    reason: String,
}

impl From<Execution> for ExecutionDto {
    fn from(execution: Execution) -> Self {
        Self {
            log: execution.log.into(),
            response: execution.response.map(ResponseDto::from),
            recorded: execution.recorded,
            mapping: execution.mapping.map(MappingDto::from),
        }
    }
}

impl From<AnsweredResponse> for ResponseDto {
    fn from(response: AnsweredResponse) -> Self {
        let body = match response.body {
            AnsweredBody::Json(json) => json.into_raw(),
            AnsweredBody::Text(text) => JsonText::from(&Value::String(text)).into_raw(),
            AnsweredBody::Empty | AnsweredBody::Binary => RawValue::NULL.to_owned(),
        };
        Self {
            status_code: response.status_code,
            headers: response.headers.into_iter().map(|(name, value)| (name, json!(value))).collect(),
            body,
            body_bytes: response.body_bytes,
            body_sha256: hex::encode(response.body_sha256),
        }
    }
}

impl From<MappingOutcome> for MappingDto {
    fn from(outcome: MappingOutcome) -> Self {
        let record = |MappedRecord { external_id, data }| MappedRecordDto { external_id, data };
        let rejection = |Rejection { index, external_id, reason }| RejectionDto { index, external_id, reason };
        Self {
            records: outcome.records.into_iter().map(record).collect(),
            rejections: outcome.rejections.into_iter().map(rejection).collect(),
        }
    }
}
