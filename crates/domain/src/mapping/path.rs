//! JSONPath (RFC 9535) with bounds on what one path may cost, since a path is configured once and then run over bodies
//! that somebody else sends.
//!
//! Filters compare numbers as doubles (`$[?@.kwh > 10.5]`): two numbers that differ only beyond the 15th digit count as
//! equal there. What a path selects keeps every digit.

mod scan;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::budget::{Budget, Exhausted, MAX_REACH, Root};
use crate::fault::{FaultCode, Refusal};

use scan::{Scan, Spread};

/// Characters in one path.
const MAX_CHARACTERS: usize = 1_000;

/// A path whose syntax and cost were checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    query: JsonPath,
    /// For a path that can select several nodes, what comes before the first segment that does so.
    container: Option<JsonPath>,
    /// For such a path, what a run costs.
    spread: Option<Spread>,
}

/// What a path finds in a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selection<'a> {
    /// Of a path of names and indexes: the one node that it names, if it is there.
    One(Option<&'a Value>),
    /// Of a path with a wildcard, slice, list, filter or `..`: all nodes, in document order.
    Many(Vec<&'a Value>),
}

impl<'a> Selection<'a> {
    /// All nodes.
    pub(super) fn nodes(&self) -> &[&'a Value] {
        match self {
            Self::One(node) => node.as_slice(),
            Self::Many(nodes) => nodes,
        }
    }
}

impl Path {
    /// Checks the syntax and the bounds above.
    ///
    /// # Errors
    /// `out-of-range` for a bound, `invalid-value` with the position for syntax.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if !(1..=MAX_CHARACTERS).contains(&text.chars().count()) {
            let detail = format!("a JSONPath must have 1 to {MAX_CHARACTERS} characters");
            return Err(Refusal::new(FaultCode::OutOfRange, detail));
        }
        if !text.starts_with('$') {
            return Err(syntax("must be a JSONPath that starts with $, such as $.data[*]"));
        }
        // The scan comes first: the parser panics on a string that ends within an escape, and recurses into brackets.
        let spread = Scan::of(text)?;
        let query = compile(text)?;
        let container = spread.map(|spread| compile(text[..spread.from].trim_end())).transpose()?;
        Ok(Self { query, container, spread })
    }

    /// Runs the path over `root`.
    ///
    /// # Errors
    /// `Exhausted`, without having run: the steps are those of the worst value of this extent.
    pub(super) fn select<'a>(&self, root: &Root<'a>, budget: &mut Budget) -> Result<Selection<'a>, Exhausted> {
        budget.spend(1)?;
        let Some(spread) = self.spread else {
            return Ok(Selection::One(self.query.query(root.value()).first()));
        };
        let extent = root.extent(budget)?;
        if extent.nodes.saturating_mul(spread.fan_out) > MAX_REACH {
            return Err(Exhausted);
        }
        let walk = if spread.descends { extent.nested } else { extent.flat };
        budget.spend(walk.saturating_mul(spread.walks))?;
        Ok(Selection::Many(self.query.query(root.value()).all()))
    }

    /// Whether the array or object that a path with several nodes looks into is there at all: `$.data[*]` finds
    /// nothing in `{"data": []}`, whose `data` is there, and in `{"error": 1}`, which has none.
    pub(super) fn has_container(&self, value: &Value) -> bool {
        self.container.as_ref().is_none_or(|container| {
            container.query(value).first().is_some_and(|node| node.is_array() || node.is_object())
        })
    }
}

fn compile(text: &str) -> Result<JsonPath, Refusal> {
    JsonPath::parse(text).map_err(|error| {
        let understood = text.get(..error.position()).unwrap_or(text);
        if understood == text {
            return syntax("is not a JSONPath (RFC 9535): it ends too early");
        }
        let character = understood.chars().count() + 1;
        syntax(format!("is not a JSONPath (RFC 9535): not understood from character {character} on"))
    })
}

fn syntax(detail: impl Into<String>) -> Refusal {
    Refusal::new(FaultCode::InvalidValue, detail)
}

fn bound(detail: impl Into<String>) -> Refusal {
    Refusal::new(FaultCode::OutOfRange, detail)
}

#[cfg(test)]
mod tests;
