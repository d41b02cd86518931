//! From what a store holds to the value that a reference means.

use application::ports::SecretError;
use domain::json;
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The largest secret, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Picks the member that `reference` names, if it names one, and refuses what cannot be a secret.
///
/// # Errors
/// `NotFound` for an empty or too large value, and for a field that is not a string member of a JSON object.
pub(super) fn pick(held: SecretString, reference: &SecretRef) -> Result<SecretString, SecretError> {
    if held.expose_secret().len() > MAX_BYTES {
        return Err(too_large(reference));
    }
    let value = match reference.field() {
        None => held,
        Some(field) => member(&held, field, reference)?,
    };
    if value.expose_secret().is_empty() { Err(not_found(reference, "is empty")) } else { Ok(value) }
}

fn member(held: &SecretString, field: &str, reference: &SecretRef) -> Result<SecretString, SecretError> {
    let Ok(Value::Object(mut members)) = json::parse(held.expose_secret(), json::Rules::LENIENT) else {
        return Err(not_found(reference, "is not a JSON object, so it has no fields"));
    };
    match members.remove(field) {
        Some(Value::String(value)) => Ok(value.into()),
        Some(_) => Err(not_found(reference, "is not a JSON string")),
        None => Err(not_found(reference, "has no such field")),
    }
}

/// A `NotFound` that names the reference and says what is wrong with it.
pub(super) fn not_found(reference: &SecretRef, what: &str) -> SecretError {
    SecretError::NotFound(format!("the secret `{reference}` {what}"))
}

pub(super) fn too_large(reference: &SecretRef) -> SecretError {
    not_found(reference, "is too large: a secret has at most 64 KiB")
}
