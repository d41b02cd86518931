//! From what a store holds to the value that a reference means.

use application::ports::SecretError;
use domain::json;
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

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
    match reference.field() {
        None => check(held, reference),
        Some(field) => check(member(&held, field, reference)?, reference),
    }
}

fn check(value: SecretString, reference: &SecretRef) -> Result<SecretString, SecretError> {
    match value.expose_secret().len() {
        0 => Err(not_found(reference, "is empty")),
        1..=MAX_BYTES => Ok(value),
        _ => Err(too_large(reference)),
    }
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

/// Picks from the members of a secret whose store keeps it in members: the one that `reference` names; without a field
/// the only one, or the one called `value`.
///
/// # Errors
/// `NotFound` when there is no such member, with the names of those that there are, and as in [`pick`].
pub(super) fn pick_member(mut members: Map<String, Value>, reference: &SecretRef) -> Result<SecretString, SecretError> {
    let names: Vec<String> = members.keys().map(|name| format!("`{name}`")).collect();
    let picked = match (reference.field(), names.len()) {
        (Some(field), _) => members.remove(field),
        (None, 1) => members.into_iter().next().map(|(_, value)| value),
        (None, _) => members.remove("value"),
    };
    let value = match (picked, reference.field()) {
        (Some(Value::String(value)), _) => SecretString::from(value),
        (Some(_), _) => return Err(not_found(reference, "is not a JSON string")),
        (None, _) if names.is_empty() => return Err(not_found(reference, "has no fields")),
        (None, Some(_)) => {
            return Err(not_found(reference, &format!("has no such field; it has {}", names.join(", "))));
        }
        (None, None) => {
            let what = format!("has several fields; name one of {}, as in `{reference}#FIELD`", names.join(", "));
            return Err(not_found(reference, &what));
        }
    };
    check(value, reference)
}

/// A `NotFound` that names the reference and says what is wrong with it.
pub(super) fn not_found(reference: &SecretRef, what: &str) -> SecretError {
    SecretError::NotFound(format!("the secret `{reference}` {what}"))
}

pub(super) fn too_large(reference: &SecretRef) -> SecretError {
    not_found(reference, "is too large: a secret has at most 64 KiB")
}
