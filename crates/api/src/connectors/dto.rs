//! Connectors as the contract writes them.

use domain::audit::Stamp;
use domain::connector::{Capability, Connector, ConnectorDraft, seconds_as_json};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::moment;
use crate::members::Members;

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connector)]
pub(crate) struct ConnectorDto {
    /// `UUIDv7`.
    #[schema(format = Uuid, example = "01979a2b-7c00-7000-8000-000000000001")]
    id: String,
    /// 1 at creation, one more with every change; also the `ETag`.
    #[schema(minimum = 1, example = 3)]
    version: i64,
    /// Unique without regard to case.
    #[schema(example = "Company HR System")]
    name: String,
    /// Free text such as `HR`, `ERP`, `Finance`, `Utilities`; fixed after creation.
    #[schema(example = "HR")]
    connector_type: String,
    /// For people.
    #[schema(required, example = "Headcount and training hours")]
    description: Option<String>,
    /// `Enabled` or `Disabled`; readers tolerate new values.
    #[schema(example = "Disabled")]
    status: &'static str,
    /// The reason given with the last enabling or disabling.
    #[schema(required, example = "key rotation")]
    status_reason: Option<String>,
    /// The last enabling or disabling.
    #[schema(required, format = DateTime)]
    status_changed_at: Option<String>,
    /// Who did it.
    #[schema(required)]
    status_changed_by: Option<String>,
    /// Where the upstream is; answered as given, which may be an international spelling.
    #[schema(example = "https://api.hr-system.example.com/v1")]
    endpoint_base_url: String,
    /// `None`, `ApiKey`, `Basic` or `Bearer`.
    #[schema(example = "ApiKey")]
    authentication_type: &'static str,
    /// A reference to a secret, never a secret: `store:name#field@version`.
    #[schema(required, example = "SecretStore:HR-ApiKey")]
    authentication_secret_ref: Option<String>,
    /// `ApiKey`: `headerName` or `queryParameter`; else empty.
    #[schema(value_type = Object, example = json!({ "headerName": "X-API-Key" }))]
    authentication_settings: Value,
    /// What it can be used for, in the order `pull`, `push`, `webhook`.
    #[schema(example = json!(["pull", "push"]))]
    capabilities: Vec<&'static str>,
    /// Attempts in any 60 s; 0 is no limit.
    #[schema(minimum = 0, maximum = 100_000, example = 60)]
    rate_limit_per_minute: u32,
    /// Retries after the first attempt.
    #[schema(minimum = 0, maximum = 10, example = 3)]
    max_retry_attempts: u32,
    /// The ceiling before the first retry.
    #[schema(value_type = f64, minimum = 0, maximum = 300, example = 5)]
    retry_delay_seconds: Value,
    /// Whether the ceiling doubles with every retry.
    use_exponential_backoff: bool,
    /// `Full` (uniform in 0..ceiling) or `None` (exactly the ceiling).
    #[schema(example = "Full")]
    retry_jitter: &'static str,
    /// The longest single wait.
    #[schema(value_type = i64, minimum = 1, maximum = 300, example = 60)]
    max_retry_delay_seconds: Value,
    /// The longest time for one attempt.
    #[schema(value_type = i64, minimum = 1, maximum = 60, example = 15)]
    attempt_timeout_seconds: Value,
    /// The longest time for a call with all its attempts and waits.
    #[schema(value_type = i64, minimum = 1, maximum = 300, example = 60)]
    deadline_seconds: Value,
    /// The header under which the upstream takes an idempotency key; makes POST and PATCH retryable.
    #[schema(required, example = "Idempotency-Key")]
    idempotency_key_header: Option<String>,
    /// From external to internal fields; see `docs/mapping.md`.
    #[schema(value_type = Object, example = json!({ "mappings": [] }))]
    mapping_configuration: Value,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T04:05:00.000001Z")]
    created_at: String,
    /// Who registered it.
    #[schema(example = "ana")]
    created_by: String,
    /// The last change; null before the first.
    #[schema(required, format = DateTime)]
    updated_at: Option<String>,
    /// Who made it.
    #[schema(required)]
    updated_by: Option<String>,
}

impl From<Connector> for ConnectorDto {
    fn from(connector: Connector) -> Self {
        let Connector { id, version, settings, switch, created, updated } = connector;
        let (status_changed_at, status_changed_by) = apart(switch.changed);
        let (updated_at, updated_by) = apart(updated);
        Self {
            id: id.to_string(),
            version,
            name: settings.name.as_str().to_owned(),
            connector_type: settings.connector_type,
            description: settings.description,
            status: switch.status.as_str(),
            status_reason: switch.reason,
            status_changed_at,
            status_changed_by,
            endpoint_base_url: settings.endpoint_base_url.as_str().to_owned(),
            authentication_type: settings.authentication.kind(),
            authentication_secret_ref: settings.authentication.secret().map(ToString::to_string),
            authentication_settings: settings.authentication.settings(),
            capabilities: settings.capabilities.iter().map(domain::connector::Capability::as_str).collect(),
            rate_limit_per_minute: settings.rate_limit_per_minute,
            max_retry_attempts: settings.retry.max_retry_attempts,
            retry_delay_seconds: seconds_as_json(settings.retry.delay),
            use_exponential_backoff: settings.retry.exponential,
            retry_jitter: settings.retry.jitter.as_str(),
            max_retry_delay_seconds: seconds_as_json(settings.retry.max_delay),
            attempt_timeout_seconds: seconds_as_json(settings.attempt_timeout),
            deadline_seconds: seconds_as_json(settings.deadline),
            idempotency_key_header: settings.idempotency_key_header,
            mapping_configuration: settings.mapping_configuration.as_json().clone(),
            created_at: moment(created.at),
            created_by: created.by,
            updated_at,
            updated_by,
        }
    }
}

fn apart(stamp: Option<Stamp>) -> (Option<String>, Option<String>) {
    stamp.map(|stamp| (moment(stamp.at), stamp.by)).unzip()
}

/// The configuration of a connector. Members that only answers carry (`id`, `status`, `version`, …) are accepted and
/// ignored, so that what was read can be edited and sent back.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectorRequest)]
#[expect(dead_code, reason = "describes the request; `draft` reads it member by member, to find every fault at once")]
pub(crate) struct ConnectorRequest {
    /// Unique without regard to case; 1 to 200 characters after trimming.
    #[schema(example = "Company HR System")]
    name: String,
    /// Free text, 1 to 100 characters after trimming; fixed after creation.
    #[schema(example = "HR")]
    connector_type: String,
    /// For people.
    #[schema(max_length = 1_000, example = "Headcount and training hours")]
    description: Option<String>,
    /// Absolute `https` URL without user information, query or fragment.
    #[schema(format = "uri", max_length = 2_048, example = "https://api.hr-system.example.com/v1")]
    endpoint_base_url: String,
    /// `None`, `ApiKey`, `Basic`, `Bearer` or `OAuth2` (client credentials).
    #[schema(example = "ApiKey")]
    authentication_type: String,
    /// Required unless `authenticationType` is `None`. A reference, never a secret.
    #[schema(example = "SecretStore:HR-ApiKey")]
    authentication_secret_ref: Option<String>,
    /// `ApiKey`: `{"headerName":"X-API-Key"}` (default) or `{"queryParameter":"key"}`. `OAuth2`: `tokenUrl` (under the
    /// rules of `endpointBaseUrl`), `clientId` unless the secret has it, `scopes`, `audience`, `clientAuthentication`
    /// (`Basic`, the default, or `Post`).
    #[schema(value_type = Option<Object>, example = json!({ "headerName": "X-API-Key" }))]
    authentication_settings: Option<Value>,
    /// A non-empty set of `pull`, `push`, `webhook`.
    #[schema(min_items = 1, max_items = 3, example = json!(["pull"]))]
    capabilities: Vec<String>,
    /// Attempts in any 60 s; 0 is no limit; 60 unless given.
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 100_000)]
    rate_limit_per_minute: Option<u32>,
    /// Retries after the first attempt; 3 unless given.
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 10)]
    max_retry_attempts: Option<u32>,
    /// The ceiling before the first retry, in steps of 0.001; not above `maxRetryDelaySeconds`; 5 unless given.
    #[schema(value_type = f64, required = false, minimum = 0, maximum = 300)]
    retry_delay_seconds: Option<f64>,
    /// Whether the ceiling doubles with every retry; true unless given.
    #[schema(value_type = bool, required = false)]
    use_exponential_backoff: Option<bool>,
    /// `Full` or `None`; `Full` unless given.
    #[schema(value_type = String, required = false)]
    retry_jitter: Option<String>,
    /// The longest single wait; 60 unless given.
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 300)]
    max_retry_delay_seconds: Option<u32>,
    /// The longest time for one attempt; 15 unless given.
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 60)]
    attempt_timeout_seconds: Option<u32>,
    /// The longest time for a call with all its attempts and waits; 60 unless given.
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 300)]
    deadline_seconds: Option<u32>,
    /// The header under which the upstream takes an idempotency key.
    #[schema(example = "Idempotency-Key")]
    idempotency_key_header: Option<String>,
    /// From external to internal fields, at most 64 KiB; see `docs/mapping.md`.
    #[schema(value_type = Object, required = false, example = json!({ "mappings": [] }))]
    mapping_configuration: Option<Value>,
}

/// Members of an answer that a request may carry along.
pub(crate) const READ_ONLY: &[&str] = &[
    "id",
    "version",
    "status",
    "statusReason",
    "statusChangedAt",
    "statusChangedBy",
    "createdAt",
    "createdBy",
    "updatedAt",
    "updatedBy",
];

/// Reads the configuration of a connector.
pub(crate) fn draft(mut members: Members) -> ConnectorDraft {
    let draft = ConnectorDraft {
        name: members.text("name"),
        connector_type: members.text("connectorType"),
        description: members.nullable_text("description"),
        endpoint_base_url: members.text("endpointBaseUrl"),
        authentication_type: members.text("authenticationType"),
        authentication_secret_ref: members.nullable_text("authenticationSecretRef"),
        authentication_settings: members.any("authenticationSettings"),
        capabilities: members.texts("capabilities", Capability::ALL.len()),
        rate_limit_per_minute: members.number("rateLimitPerMinute"),
        max_retry_attempts: members.number("maxRetryAttempts"),
        retry_delay_seconds: members.number("retryDelaySeconds"),
        use_exponential_backoff: members.boolean("useExponentialBackoff"),
        retry_jitter: members.text("retryJitter"),
        max_retry_delay_seconds: members.number("maxRetryDelaySeconds"),
        attempt_timeout_seconds: members.number("attemptTimeoutSeconds"),
        deadline_seconds: members.number("deadlineSeconds"),
        idempotency_key_header: members.nullable_text("idempotencyKeyHeader"),
        mapping_configuration: members.any("mappingConfiguration"),
        faults: domain::fault::Faults::new(),
    };
    members.ignore(READ_ONLY);
    ConnectorDraft { faults: members.finish(), ..draft }
}

/// The optional body of an enabling or disabling.
#[derive(ToSchema)]
#[schema(as = SwitchRequest)]
#[expect(dead_code, reason = "describes the request; the controller reads it member by member")]
pub(crate) struct SwitchRequest {
    /// Why, at most 500 characters after trimming; kept with the connector and in the audit.
    #[schema(example = "key rotation")]
    reason: Option<String>,
}
