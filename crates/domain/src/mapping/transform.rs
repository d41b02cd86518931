//! What happens to a value on its way from an external field into an internal one.
//!
//! | transform | `transformParams` | takes | gives |
//! |---|---|---|---|
//! | `direct` | none | any JSON value | the same, digits and all |
//! | `fte` | `standardHours` above 0, default 40 | a number | it ÷ `standardHours` |
//! | `sum` | none | an array of numbers | their exact sum |
//! | `average` | none | an array of numbers | their sum ÷ their count |
//! | `lookup` | `table`: text → text, number or boolean | text, number or boolean | the entry |
//! | `convert` | `from`, `to`: units of one dimension | a number | it in the other unit |
//! | `scale` | `factor`, not 0 | a number | it × `factor` |
//! | `round` | `decimals` 0..28 | a number | it, rounded half to even |
//! | `date` | `format`, a strftime pattern with day, month and year | text | `YYYY-MM-DD` |
//!
//! A number is a JSON number or a string that is one, of at most 28 significant digits and 28 decimals. `fte`,
//! `average`, `convert` and `scale` round a result without an end once, half to even, to as many digits; `sum` never
//! rounds.

mod apply;
mod params;

use std::collections::HashMap;

use serde_json::Value;

use super::members::Members;
use super::number::Exact;
use crate::fault::{FaultCode, Faults};

pub(super) use apply::{Input, Misfit};

/// One transform with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transform {
    Direct,
    Fte { standard_hours: Exact },
    Sum,
    Average,
    Lookup { table: HashMap<String, Value> },
    Convert { from: Exact, to: Exact },
    Scale { factor: Exact },
    Round { decimals: u32 },
    Date { format: String },
}

impl Transform {
    /// The closed list, as the configuration spells it.
    const NAMES: [&'static str; 9] = ["direct", "fte", "sum", "average", "lookup", "convert", "scale", "round", "date"];

    /// Reads `transform` and `transformParams` of an entry.
    pub(super) fn parse(entry: &Members<'_>, faults: &mut Faults) -> Option<Self> {
        let name = match entry.value("transform") {
            Some(_) => entry.text("transform", faults)?,
            None => "direct",
        };
        if !Self::NAMES.contains(&name) {
            let detail = format!("must be one of {}", Self::NAMES.join(", "));
            faults.push(entry.pointer("transform"), FaultCode::InvalidValue, detail);
            return None;
        }
        params::parse(name, entry, faults)
    }

    /// Whether it takes an array of readings rather than one value.
    pub(super) fn takes_series(&self) -> bool {
        matches!(self, Self::Sum | Self::Average)
    }

    /// The JSON types that a default may have, so that a column does not mix numbers with text.
    pub(super) fn refuses_default(&self, default: &Value) -> Option<&'static str> {
        match (self, default) {
            (_, Value::Array(_) | Value::Object(_)) => Some("must be text, a number, true, false or null"),
            (_, Value::Null) | (Self::Direct | Self::Lookup { .. }, _) | (Self::Date { .. }, Value::String(_)) => None,
            (Self::Date { .. }, _) => Some("must be text or null, as the transform gives text"),
            (_, Value::Number(_)) => None,
            _ => Some("must be a number or null, as the transform gives a number"),
        }
    }
}
