//! The optional body of acts that want nothing but a reason.

use crate::body::OptionalJsonBody;
use crate::members::Members;
use crate::problem::Problem;

/// The reason that a body gives, if there is one.
///
/// # Errors
/// 422 with every fault of the body. The reason's own text is judged where it is used.
pub(crate) fn reason(OptionalJsonBody(body): OptionalJsonBody) -> Result<Option<String>, Problem> {
    let Some(body) = body else { return Ok(None) };
    let mut members = Members::of(body);
    let reason = members.nullable_text("reason");
    let faults = members.finish();
    if faults.is_empty() { Ok(reason) } else { Err(Problem::invalid(&faults)) }
}
