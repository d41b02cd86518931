//! Where the records stand in an answer, and where a record has its id.

use serde_json::Value;

use super::members::Members;
use super::path::{Path, Selection};
use crate::fault::Faults;

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
    pub(super) fn find<'a>(&self, body: &'a Value) -> Result<Vec<&'a Value>, String> {
        let Some(path) = &self.records else {
            return elements(body).ok_or_else(|| String::from("Response body is not a JSON object or array"));
        };
        match path.select(body) {
            Selection::One(node) => node.and_then(elements),
            Selection::Many(nodes) => path.has_container(body).then_some(nodes),
        }
        .ok_or_else(|| String::from("Response body has no records at the configured recordsPath"))
    }

    /// The id of `record`, when an `externalIdPath` is configured.
    ///
    /// # Errors
    /// The reason, when there is no one id: records without ids would fall together.
    pub(super) fn external_id(&self, record: &Value) -> Result<Option<String>, String> {
        let Some(path) = &self.external_id else {
            return Ok(None);
        };
        let node = match path.select(record) {
            Selection::One(node) => node,
            Selection::Many(nodes) if nodes.len() > 1 => {
                return Err(String::from("External id path selects several values"));
            }
            Selection::Many(nodes) => nodes.first().copied(),
        };
        match node {
            None | Some(Value::Null) => Err(String::from("External id is missing")),
            Some(Value::String(id)) if id.is_empty() => Err(String::from("External id is missing")),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) => Ok(Some(id.to_string())),
            Some(_) => Err(String::from("External id must be text or a number")),
        }
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
