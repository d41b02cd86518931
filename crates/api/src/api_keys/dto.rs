//! API keys as the API writes and reads them.

use application::api_key::{ApiKeyDraft, MAX_CONNECTORS};
use domain::access::{Role, Scope};
use domain::api_key::ApiKey;
use domain::fault::Faults;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::moment;
use crate::members::Members;
use crate::query;

/// What is known of an API key; never the key itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyDto {
    /// `UUIDv7`.
    #[schema(format = Uuid, example = "01979a2b-7c00-7000-8000-000000000002")]
    id: String,
    /// The name under which its acts are recorded; unique among the keys that are not revoked.
    #[schema(example = "esg-report-studio")]
    name: String,
    /// `viewer`, `operator`, `approver`, `admin`, `auditor` or `service`; readers tolerate new values.
    #[schema(example = "service")]
    role: &'static str,
    /// The ids of the connectors that exist for it; null where all do.
    #[schema(required, example = json!(["01979a2b-7c00-7000-8000-000000000001"]))]
    connectors: Option<Vec<String>>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T04:05:00.000001Z")]
    created_at: String,
    /// Who made it.
    #[schema(example = "ana")]
    created_by: String,
    /// From when on it is refused; null where it does not expire.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When it was last taken, about a minute late; null before the first time.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// Its revocation; null where it is not revoked.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
    /// Who revoked it.
    #[schema(required)]
    revoked_by: Option<String>,
}

impl From<ApiKey> for ApiKeyDto {
    fn from(key: ApiKey) -> Self {
        let (revoked_at, revoked_by) = key.revoked.map(|stamp| (moment(stamp.at), stamp.by)).unzip();
        let connectors = match key.scope {
            Scope::All => None,
            Scope::Only(listed) => Some(listed.iter().map(ToString::to_string).collect()),
        };
        Self {
            id: key.id.to_string(),
            name: key.name.as_str().to_owned(),
            role: key.role.as_str(),
            connectors,
            created_at: moment(key.created.at),
            created_by: key.created.by,
            expires_at: key.expires_at.map(moment),
            last_used_at: key.last_used_at.map(moment),
            revoked_at,
            revoked_by,
        }
    }
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub(super) struct CreatedKeyDto {
    #[serde(flatten)]
    pub(super) made: ApiKeyDto,
    /// The key itself, shown this once; null in the repetition of an answer.
    #[schema(required, example = "esgc_…")]
    pub(super) key: Option<String>,
}

/// A key as somebody wants it. Members that only answers carry (`id`, `createdAt`, …) are accepted and ignored.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateKeyRequest)]
#[expect(dead_code, reason = "describes the request; `draft` reads it member by member, to find every fault at once")]
pub(super) struct CreateKeyRequest {
    /// Unique among the keys that are not revoked; `A-Z a-z 0-9 . _ @ -`, beginning with a letter or digit.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
        example = "esg-report-studio"
    )]
    name: String,
    /// What its holder may do.
    #[schema(example = "service")]
    role: String,
    /// The connectors that exist for it: required for the role `service`, not allowed for any other.
    #[schema(max_items = 200, example = json!(["01979a2b-7c00-7000-8000-000000000001"]))]
    connectors: Option<Vec<String>>,
    /// From when on it is refused (RFC 3339, in the future); never unless given.
    #[schema(format = DateTime, example = "2027-01-31T00:00:00Z")]
    expires_at: Option<String>,
    /// Why, at most 500 characters after trimming; kept in the audit.
    #[schema(example = "nightly import")]
    reason: Option<String>,
}

/// Members of an answer that a request may carry along. `key` is not among them: nobody chooses the value of a key, and
/// who tries to is told.
pub(crate) const READ_ONLY: &[&str] = &["id", "createdAt", "createdBy", "lastUsedAt", "revokedAt", "revokedBy"];

/// Reads a key as somebody wants it.
pub(super) fn draft(mut members: Members) -> ApiKeyDraft {
    let role = format!("must be one of {}", Role::ALL.map(Role::as_str).join(", "));
    let draft = ApiKeyDraft {
        name: members.text("name"),
        role: members.parsed("role", &role, Role::parse),
        connectors: members.nullable_texts("connectors", MAX_CONNECTORS).unwrap_or_default(),
        expires_at: members.nullable_parsed("expiresAt", query::EXPECTED_MOMENT, query::moment),
        reason: members.nullable_text("reason"),
        faults: Faults::new(),
    };
    members.ignore(READ_ONLY);
    ApiKeyDraft { faults: members.finish(), ..draft }
}

/// The optional body of a revocation.
#[derive(ToSchema)]
#[schema(as = RevokeKeyRequest)]
#[expect(dead_code, reason = "describes the request; the controller reads it member by member")]
pub(super) struct RevokeKeyRequest {
    /// Why, at most 500 characters after trimming; kept in the audit.
    #[schema(example = "ana has left")]
    reason: Option<String>,
}
