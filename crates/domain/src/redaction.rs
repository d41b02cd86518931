//! The mark of what was taken out, and the names that tell of a secret. Redaction itself needs the secrets, and stands
//! where they are known; the rest of the house only has to recognise its mark.

mod names;

use serde_json::Value;

pub use self::names::is_secret_name;

/// What stands where a secret stood.
pub const REDACTED: &str = "[REDACTED]";

/// Whether a secret was taken out of this value or of anything inside it.
#[must_use]
pub fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED),
        Value::Array(elements) => elements.iter().any(is_redacted),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains(REDACTED) || is_redacted(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
