//! The operation that verifies the trail.

use axum::extract::State;
use axum::response::Response;
use domain::audit::{AuditHead, Verification};

use super::dto::VerificationDto;
use crate::answer;
use crate::context::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// Verify the audit trail
///
/// Reads the whole trail, whatever is in it, and names the first entry that is not as it was written. Against an anchor,
/// a head that was kept elsewhere, a cut tail and a chain written anew show as well. An invalid trail is a 200.
#[utoipa::path(
    get,
    path = "/api/v1/audit/verify",
    operation_id = "verifyAudit",
    tag = "Audit",
    params(
        ("head" = Option<String>, Query, pattern = "^[0-9]{1,19}:[0-9A-Fa-f]{64}$",
            description = "An anchor: `SEQ:HASH` of a head that was kept elsewhere, and that has to be in the trail"),
    ),
    responses((status = 200, description = "The verdict", body = VerificationDto))
)]
pub(crate) async fn verify(
    State(state): State<ApiState>,
    _caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let expected = "must be `SEQ:HASH`: the number of an entry and the 64 hexadecimal digits of its hash";
    let anchor = query.parsed("head", expected, AuditHead::parse);
    query.finish()?;
    let verification = state.services.audit.verify(anchor).await?;
    Ok(answer::ok(&VerificationDto::from(verification)))
}

/// A verdict as the API answers it, with the newline at its end.
#[must_use]
pub fn verification_json(verification: Verification) -> String {
    let bytes = answer::bytes(&VerificationDto::from(verification)).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
