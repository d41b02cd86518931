//! Audit entries as the contract writes them.

use domain::audit::{ChainedEntry, FieldChange, Verification};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::answer::moment;

/// Which entries are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what the controller reads parameter by parameter")]
pub(super) struct AuditParameters {
    /// By this actor
    #[param(min_length = 1, max_length = 500)]
    actor: Option<String>,
    /// Of this kind, such as `connector.updated`
    #[param(min_length = 1, max_length = 500)]
    action: Option<String>,
    /// At or after this time (RFC 3339)
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time (RFC 3339)
    #[param(format = DateTime)]
    to: Option<String>,
    /// Under this request
    #[param(rename = "correlationId", pattern = "^[A-Za-z0-9._:~-]{1,128}$")]
    correlation_id: Option<String>,
}

/// One entry of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryDto {
    /// From 1, without gaps.
    #[schema(minimum = 1)]
    sequence: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    #[schema(example = "ana")]
    actor: String,
    /// `Local`, `ApiKey`, `Oidc` or `System`.
    #[schema(example = "ApiKey")]
    actor_type: &'static str,
    /// What was done.
    #[schema(example = "connector.updated")]
    action: &'static str,
    /// To what.
    #[schema(example = "connectors/01979a2b-7c00-7000-8000-000000000001")]
    subject: String,
    /// The connector, when it is about one.
    #[schema(required, format = Uuid)]
    connector_id: Option<String>,
    /// Why, in the actor's words.
    #[schema(required)]
    reason: Option<String>,
    /// What changed, by member.
    changes: Vec<FieldChangeDto>,
    /// Under which request.
    #[schema(example = "corr-12345")]
    correlation_id: String,
    /// From where; null for acts at the machine itself.
    #[schema(required, example = "192.0.2.7")]
    source_address: Option<String>,
    /// The hash of the entry before, 64 zeros for the first.
    previous_hash: String,
    /// `SHA-256(entry ‖ previous hash)`, in hexadecimal.
    hash: String,
}

/// One member that changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldChange)]
pub(crate) struct FieldChangeDto {
    /// RFC 6901 pointer to the member.
    #[schema(example = "/maxRetryAttempts")]
    pointer: String,
    /// The value before; null when there was none.
    #[schema(required, value_type = Option<Value>, example = 3)]
    before: Value,
    /// The value after; null when there is none.
    #[schema(required, value_type = Option<Value>, example = 5)]
    after: Value,
}

impl From<ChainedEntry> for AuditEntryDto {
    fn from(chained: ChainedEntry) -> Self {
        let ChainedEntry { sequence, entry, previous_hash, hash } = chained;
        let change = |FieldChange { pointer, before, after }| FieldChangeDto { pointer, before, after };
        Self {
            sequence,
            at: moment(entry.at),
            actor: entry.actor.name,
            actor_type: entry.actor.kind.as_str(),
            action: entry.action.as_str(),
            subject: entry.subject,
            connector_id: entry.connector_id.map(|id| id.to_string()),
            reason: entry.reason,
            changes: entry.changes.into_iter().map(change).collect(),
            correlation_id: entry.correlation_id.to_string(),
            source_address: entry.source_address.map(|address| address.to_string()),
            previous_hash: hex::encode(previous_hash),
            hash: hex::encode(hash),
        }
    }
}

/// What came of a verification.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditVerification)]
pub(super) struct VerificationDto {
    /// Whether every entry is the one that was written at its place.
    valid: bool,
    /// How many entries there are.
    #[schema(minimum = 0)]
    entries: i64,
    /// The end of the trail as it stands. Of a valid one, keep it elsewhere as an anchor.
    head: AuditHeadDto,
    /// The number of the first entry that is wrong or missing; null also where no number can be named.
    #[schema(required)]
    first_invalid_sequence: Option<i64>,
    /// What is wrong, for people.
    #[schema(required, example = "entry 3 is missing")]
    problem: Option<String>,
}

/// The end of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditHead)]
pub(super) struct AuditHeadDto {
    /// The number of the newest entry; 0 where there is none.
    sequence: i64,
    /// Its hash; 64 zeros where there is none.
    hash: String,
}

impl From<Verification> for VerificationDto {
    fn from(verification: Verification) -> Self {
        let Verification { entries, sequence, hash, fault } = verification;
        let (valid, head) = (fault.is_none(), AuditHeadDto { sequence, hash });
        let (first_invalid_sequence, problem) =
            fault.map_or((None, None), |fault| (fault.sequence, Some(fault.problem)));
        Self { valid, entries, head, first_invalid_sequence, problem }
    }
}
