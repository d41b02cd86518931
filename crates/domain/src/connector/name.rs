//! The name of a connector, and the key under which it is unique.

use unicode_normalization::UnicodeNormalization;

use super::text;
use crate::fault::Refusal;

/// 1 to 200 characters after trimming, NFC, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// The longest name, in characters.
    pub const MAX_LENGTH: usize = 200;

    /// Reads a name.
    ///
    /// # Errors
    /// `out-of-range` for its length, `invalid-value` for control characters.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        text::line(name, Self::MAX_LENGTH).map(Self)
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which names are unique and sorted: folded character by character, so that it does not depend on the
    /// collation of a database, and compared bytewise.
    #[must_use]
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

/// Folds text for comparison without regard to case.
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

impl std::fmt::Display for ConnectorName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_composed() {
        assert_eq!(ConnectorName::parse("  Cafe\u{301} \t").expect("a name").as_str(), "Café");
        for bad in ["", "   ", "a\nb", "a\0b", &"x".repeat(201)] {
            assert!(ConnectorName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ConnectorName::parse(&"ä".repeat(200)).is_ok());
    }

    #[test]
    fn keys_do_not_know_case() {
        for (one, other) in [("HR", "hr"), ("STRASSE", "Straße"), ("ÉNERGIE", "énergie"), ("ΟΔΟΣ", "οδος")] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }
}
