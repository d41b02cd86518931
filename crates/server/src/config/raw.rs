//! Values before they mean anything, and reading them by their kind.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use toml::de::DeValue;

/// A value as a source gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    /// From the environment or the command line, where everything is text.
    Word(String),
    /// A quoted text in the file.
    Text(String),
    /// `true` or `false` in the file.
    Boolean(bool),
    /// A whole number in the file; `None` when it does not fit.
    Number(Option<u64>),
    /// An array in the file.
    List(Vec<Raw>),
    /// Something else in the file: a section, a decimal number, a date.
    Other,
}

impl Raw {
    /// The value of a file, in a form that outlives its text.
    pub(crate) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Integer(number) => Self::Number(u64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::of(item.get_ref())).collect()),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Self::Other,
        }
    }
}

/// Why a value is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is not what the key expects.
    Unexpected,
    /// It is something particular, to follow the key's name.
    Because(String),
}

/// Text.
pub(crate) fn text(raw: &Raw) -> Result<&str, Wrong> {
    match raw {
        Raw::Word(text) | Raw::Text(text) if !text.is_empty() => Ok(text),
        Raw::Word(_) => Err(Wrong::Because("is empty; give it a value, or do not set it".to_owned())),
        _ => Err(Wrong::Unexpected),
    }
}

/// A truth value.
pub(crate) fn boolean(raw: &Raw) -> Result<bool, Wrong> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Word(_) => text(raw)?.trim().parse().map_err(|_| Wrong::Unexpected),
        _ => Err(Wrong::Unexpected),
    }
}

/// A whole number within bounds.
pub(crate) fn number(raw: &Raw, range: RangeInclusive<u64>) -> Result<u64, Wrong> {
    let number = match raw {
        Raw::Number(number) => *number,
        Raw::Word(_) => text(raw)?.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| range.contains(number)).ok_or(Wrong::Unexpected)
}

/// An address to listen on.
pub(crate) fn address(raw: &Raw) -> Result<SocketAddr, Wrong> {
    text(raw)?.trim().parse().map_err(|_| Wrong::Unexpected)
}

/// A list of texts; in the environment separated by commas, or an array as in TOML and JSON.
pub(crate) fn list(raw: &Raw) -> Result<Vec<String>, Wrong> {
    match raw {
        Raw::List(items) => items.iter().map(|item| text(item).map(str::to_owned)).collect(),
        Raw::Word(word) if word.trim_start().starts_with('[') => match DeValue::parse(word.trim()) {
            Ok(value) => list(&Raw::of(value.get_ref())),
            Err(_) => Err(Wrong::Unexpected),
        },
        Raw::Word(word) => {
            Ok(word.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        _ => Err(Wrong::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Raw {
        Raw::Word(text.to_owned())
    }

    #[test]
    fn the_environment_spells_lists_in_three_ways() {
        for spelling in ["10.0.0.0/8,erp.internal", " 10.0.0.0/8 , erp.internal,", r#"["10.0.0.0/8", 'erp.internal']"#]
        {
            assert_eq!(list(&word(spelling)), Ok(vec!["10.0.0.0/8".to_owned(), "erp.internal".to_owned()]));
        }
        assert_eq!(list(&word("")), Ok(Vec::new()));
        assert_eq!(list(&word("[\"10.0.0.0/8\"")), Err(Wrong::Unexpected));
        assert_eq!(list(&Raw::Text("10.0.0.0/8".to_owned())), Err(Wrong::Unexpected));
    }

    #[test]
    fn in_the_file_a_value_is_of_its_own_kind() {
        assert_eq!(boolean(&word("true")), Ok(true));
        assert_eq!(boolean(&Raw::Text("true".to_owned())), Err(Wrong::Unexpected));
        assert_eq!(number(&word("25"), 1..=1000), Ok(25));
        assert_eq!(number(&Raw::Text("25".to_owned()), 1..=1000), Err(Wrong::Unexpected));
        assert_eq!(number(&Raw::Number(Some(0)), 1..=1000), Err(Wrong::Unexpected));
    }
}
