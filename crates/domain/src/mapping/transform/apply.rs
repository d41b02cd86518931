//! The transforms at work. A misfit says what was expected and never repeats the value.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::Transform;
use crate::mapping::number::{Exact, NoNumber};
use crate::mapping::path::Selection;

/// What an external field held; neither missing nor null nor "".
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) enum Input<'a> {
    /// One value.
    One(&'a Value),
    /// The nodes of a path that selects several.
    Series(Vec<&'a Value>),
}

/// Why a value does not fit its transform; reads on after "Field '…' ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::mapping) enum Misfit {
    #[error("must be {0}")]
    Expected(&'static str),
    #[error("has an element at index {0} that is not a number")]
    Element(usize),
    #[error("has an element at index {0} outside the range of exact decimals (28 digits)")]
    ElementOutOfRange(usize),
    #[error("is outside the range of exact decimals (28 digits)")]
    OutOfRange,
    #[error("gives a result outside the range of exact decimals (28 digits)")]
    ResultOutOfRange,
    #[error("has no entry in the lookup table")]
    NoEntry,
    #[error("selects several values where one is expected")]
    Several,
}

impl<'a> Input<'a> {
    /// What a transform gets to see of a selection; `None` when the field is missing: absent, null, "", or, for a
    /// series, empty.
    pub(in crate::mapping) fn of(selection: Selection<'a>, transform: &Transform) -> Option<Self> {
        let input = match selection {
            Selection::One(node) => Self::One(node?),
            Selection::Many(nodes) => match *nodes.as_slice() {
                [] => return None,
                [node] if node.is_array() || !transform.takes_series() => Self::One(node),
                _ => Self::Series(nodes),
            },
        };
        let missing = match &input {
            Self::One(Value::Null) => true,
            Self::One(Value::String(text)) => text.is_empty(),
            Self::One(Value::Array(elements)) => elements.is_empty() && transform.takes_series(),
            _ => false,
        };
        (!missing).then_some(input)
    }
}

impl Transform {
    /// The internal value: the given one, one of the configuration, or a small new one.
    ///
    /// # Errors
    /// When the value is not what the transform takes.
    pub(in crate::mapping) fn apply<'a>(&'a self, input: &Input<'a>) -> Result<Cow<'a, Value>, Misfit> {
        if self.takes_series() {
            let folded = self.fold(&numbers(input)?).map_err(|_| Misfit::ResultOutOfRange)?;
            return Ok(Cow::Owned(folded.to_json()));
        }
        let Input::One(value) = *input else {
            return Err(Misfit::Several);
        };
        match self {
            Self::Lookup { table } => look_up(table, value).map(Cow::Borrowed),
            Self::Date { format } => read_date(format, value).map(Cow::Owned),
            Self::Direct | Self::Sum | Self::Average => Ok(Cow::Borrowed(value)),
            Self::Fte { .. } | Self::Convert { .. } | Self::Scale { .. } | Self::Round { .. } => {
                let number = Exact::read(value).map_err(|problem| match problem {
                    NoNumber::NotANumber => Misfit::Expected("a number"),
                    NoNumber::OutOfRange => Misfit::OutOfRange,
                })?;
                let calculated = self.calculate(number).map_err(|_| Misfit::ResultOutOfRange)?;
                Ok(Cow::Owned(calculated.to_json()))
            }
        }
    }

    fn calculate(&self, number: Exact) -> Result<Exact, NoNumber> {
        match *self {
            Self::Fte { standard_hours } => number.times(Exact::ONE, standard_hours),
            Self::Convert { from, to } => number.times(from, to),
            Self::Scale { factor } => number.times(factor, Exact::ONE),
            Self::Round { decimals } => Ok(number.rounded(decimals)),
            _ => Ok(number),
        }
    }

    fn fold(&self, numbers: &[Exact]) -> Result<Exact, NoNumber> {
        let sum = Exact::sum(numbers.iter().copied())?;
        if *self != Self::Average {
            return Ok(sum);
        }
        let count = u64::try_from(numbers.len()).map_err(|_| NoNumber::OutOfRange)?;
        sum.times(Exact::ONE, Exact::new(count, 0)?)
    }
}

fn numbers(input: &Input<'_>) -> Result<Vec<Exact>, Misfit> {
    let read = |(index, element)| {
        Exact::read(element).map_err(|problem| match problem {
            NoNumber::NotANumber => Misfit::Element(index),
            NoNumber::OutOfRange => Misfit::ElementOutOfRange(index),
        })
    };
    match input {
        Input::One(Value::Array(elements)) => elements.iter().enumerate().map(read).collect(),
        Input::One(_) => Err(Misfit::Expected("an array of numbers")),
        Input::Series(nodes) => nodes.iter().copied().enumerate().map(read).collect(),
    }
}

fn look_up<'a>(table: &'a HashMap<String, Value>, value: &Value) -> Result<&'a Value, Misfit> {
    let found = match value {
        Value::String(key) => table.get(key),
        Value::Number(key) => table.get(key.as_str()),
        Value::Bool(key) => table.get(if *key { "true" } else { "false" }),
        _ => return Err(Misfit::Expected("text, a number, true or false")),
    };
    found.ok_or(Misfit::NoEntry)
}

fn read_date(format: &str, value: &Value) -> Result<Value, Misfit> {
    let expected = Misfit::Expected("a date in the configured format");
    let text = value.as_str().ok_or(expected)?;
    let date = NaiveDate::parse_from_str(text, format).map_err(|_| expected)?;
    // RFC 3339 has four digits for the year.
    if !(0..=9999).contains(&date.year()) {
        return Err(expected);
    }
    Ok(Value::String(date.format("%Y-%m-%d").to_string()))
}
