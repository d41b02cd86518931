//! Where the records stand in an answer, and where a record has its id.

use serde_json::Value;

use super::budget::{Budget, Root, Stop};
use super::members::Members;
use super::path::{Path, Selection};
use crate::fault::Faults;
use crate::redaction::is_redacted;

/// `recordsPath` and `externalIdPath`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RecordSource {
    records: Option<Path>,
    external_id: Option<Path>,
}

impl RecordSource {
    /// Reads both paths; notes every fault.
    pub(super) fn parse(members: &Members<'_>, faults: &mut Faults) -> Option<Self> {
        let records = optional_path("recordsPath", members, faults);
        let external_id = optional_path("externalIdPath", members, faults);
        Some(Self { records: records?, external_id: external_id? })
    }

    /// The records of `body`. An array stands for its elements and an object for one record, be it the body or the
    /// one node that a `recordsPath` of names and indexes (`$.data`) leads to; every node of another path
    /// (`$.data[*]`) is a record.
    ///
    /// # Errors
    /// The reason, when there is nothing where the records should be. An empty array is no records and no error.
    pub(super) fn find<'a>(&self, body: &'a Value, budget: &mut Budget) -> Result<Vec<&'a Value>, Stop> {
        let Some(path) = &self.records else {
            return elements(body).ok_or_else(|| Stop::rejected("Response body is not a JSON object or array"));
        };
        match path.select(&Root::new(body), budget)? {
            Selection::One(node) => node.and_then(elements),
            Selection::Many(nodes) => path.has_container(body).then_some(nodes),
        }
        .ok_or_else(|| Stop::rejected("Response body has no records at the configured recordsPath"))
    }

    /// The id of `record`, when an `externalIdPath` is configured.
    ///
    /// # Errors
    /// The reason, when there is no one id: records without ids would fall together.
    pub(super) fn external_id(&self, record: &Root<'_>, budget: &mut Budget) -> Result<Option<String>, Stop> {
        let Some(path) = &self.external_id else {
            return Ok(None);
        };
        let selection = path.select(record, budget)?;
        for node in selection.nodes() {
            budget.measure(node)?;
            if is_redacted(node) {
                return Err(Stop::rejected("External id was redacted"));
            }
        }
        let id = match selection.nodes() {
            [] | [Value::Null] => return Err(Stop::rejected("External id is missing")),
            [Value::String(id)] if id.is_empty() => return Err(Stop::rejected("External id is missing")),
            [Value::String(id)] => id.as_str(),
            [Value::Number(id)] => id.as_str(),
            [_] => return Err(Stop::rejected("External id must be text or a number")),
            _ => return Err(Stop::rejected("External id path selects several values")),
        };
        budget.hold(0, id.len())?;
        Ok(Some(String::from(id)))
    }
}

fn elements(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(elements) => Some(elements.iter().collect()),
        Value::Object(_) => Some(vec![value]),
        _ => None,
    }
}

/// `Some(None)` for an absent member, `None` for a refused one.
#[expect(clippy::option_option, reason = "refused and absent are two things")]
fn optional_path(name: &str, members: &Members<'_>, faults: &mut Faults) -> Option<Option<Path>> {
    if members.value(name).is_none() {
        return Some(None);
    }
    let text = members.text(name, faults)?;
    faults.check(&members.pointer(name), Path::parse(text)).map(Some)
}
