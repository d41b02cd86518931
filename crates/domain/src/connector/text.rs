//! Bounded text: what every stored string has in common.

use unicode_normalization::UnicodeNormalization;

use crate::fault::{FaultCode, Refusal};

/// One line of text: trimmed, NFC, 1 to `longest` characters, no control characters.
pub(super) fn line(text: &str, longest: usize) -> Result<String, Refusal> {
    let text: String = text.trim().nfc().collect();
    if text.is_empty() {
        return Err(Refusal::new(FaultCode::OutOfRange, format!("must have 1 to {longest} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::new(FaultCode::InvalidValue, "must not contain control characters or line breaks"));
    }
    bounded(text, longest)
}

/// Several lines of text: NFC, 0 to `longest` characters; of the control characters only tab and line breaks.
pub(super) fn lines(text: &str, longest: usize) -> Result<String, Refusal> {
    let text: String = text.nfc().collect();
    if text.chars().any(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r')) {
        return Err(Refusal::new(FaultCode::InvalidValue, "must not contain control characters"));
    }
    bounded(text, longest)
}

fn bounded(text: String, longest: usize) -> Result<String, Refusal> {
    if text.chars().count() > longest {
        return Err(Refusal::new(FaultCode::OutOfRange, format!("must have at most {longest} characters")));
    }
    Ok(text)
}
