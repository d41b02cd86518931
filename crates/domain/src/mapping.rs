//! Field mappings: from the records of an upstream's answer to the fields of ESG Report Studio. A configuration is
//! checked whole when the connector is saved, so that nothing is left to be found out at run time; a record is mapped
//! whole or rejected with a reason, and a value that cannot be read is never null, zero or rounded.

mod budget;
mod entry;
mod members;
mod number;
mod path;
mod records;
mod transform;
mod units;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::fault::{FaultCode, Faults, pointer_to};
use budget::{Budget, Root, Stop};
use entry::FieldMapping;
use members::Members;
use records::RecordSource;

/// A connector's `mappingConfiguration`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMappings {
    given: Value,
    records: RecordSource,
    entries: Vec<FieldMapping>,
}

/// What became of the records of one answer: each is in exactly one of the two lists, both in the order of the source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingOutcome {
    /// The records that were mapped. Two may have the same external id; which of them counts is for the import to say.
    pub records: Vec<MappedRecord>,
    /// The records that were not.
    pub rejections: Vec<Rejection>,
}

/// A record in internal fields.
#[derive(Debug, Clone, PartialEq)]
pub struct MappedRecord {
    /// The source's name for the record, never empty; `None` when no `externalIdPath` is configured. A numeric id has
    /// the digits that the source wrote.
    pub external_id: Option<String>,
    /// Every configured internal field, in the order of the configuration.
    pub data: Map<String, Value>,
}

/// A record that was not mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Place in the source's order of records, from 0. A body without readable records is one rejection at 0.
    pub index: usize,
    /// As in [`MappedRecord`]; also `None` when the id itself could not be read.
    pub external_id: Option<String>,
    /// The first thing wrong, for a person: names the field and what was expected, never a value of the record.
    pub reason: String,
}

impl FieldMappings {
    /// Bytes of the configuration as compact JSON.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// Entries in `mappings`.
    pub const MAX_ENTRIES: usize = 500;

    /// `{"mappings": []}`: every record becomes one without fields.
    #[must_use]
    pub fn none() -> Self {
        Self { given: json!({ "mappings": [] }), records: RecordSource::default(), entries: Vec::new() }
    }

    /// Reads the configuration that stands at `at`. `None` exactly when a fault was noted; all faults are noted at
    /// once, except below a configuration that is too large. Null stands for an absent optional member.
    pub fn parse(configuration: &Value, at: &str, faults: &mut Faults) -> Option<Self> {
        let faults_before = faults.total();
        let known = ["recordsPath", "externalIdPath", "mappings"];
        let members = Members::open(configuration, at, &known, faults)?;
        if configuration.to_string().len() > Self::MAX_BYTES {
            let detail = format!("must have at most {} bytes as compact JSON", Self::MAX_BYTES);
            faults.push(at, FaultCode::OutOfRange, detail);
            return None;
        }
        let records = RecordSource::parse(&members, faults);
        let entries = parse_entries(&members, faults);
        if faults.total() > faults_before {
            return None;
        }
        Some(Self { given: configuration.clone(), records: records?, entries: entries? })
    }

    /// The configuration as it was given: order of members and digits of numbers kept, defaults not filled in.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.given
    }

    /// Maps every record of `body`. A body that does not have the records that it should have is a rejection, not an
    /// empty list; an empty list is one that the upstream sent. A body that would take more memory or work than the
    /// budget of one answer is one rejection at 0, too, so that somebody asks for smaller pages.
    #[must_use]
    pub fn apply(&self, body: &Value) -> MappingOutcome {
        self.apply_within(body, &mut Budget::default()).unwrap_or_else(|stop| MappingOutcome {
            records: Vec::new(),
            rejections: vec![Rejection { index: 0, external_id: None, reason: stop.to_string() }],
        })
    }

    fn apply_within(&self, body: &Value, budget: &mut Budget) -> Result<MappingOutcome, Stop> {
        let mut outcome = MappingOutcome::default();
        for (index, record) in self.records.find(body, budget)?.into_iter().enumerate() {
            budget.hold(1, 0)?;
            let mut external_id = None;
            match self.apply_to(&Root::new(record), &mut external_id, budget) {
                Ok(data) => outcome.records.push(MappedRecord { external_id, data }),
                Err(Stop::Rejected(reason)) => {
                    budget.hold(0, reason.len())?;
                    outcome.rejections.push(Rejection { index, external_id, reason });
                }
                Err(Stop::Exhausted(exhausted)) => return Err(exhausted.into()),
            }
        }
        Ok(outcome)
    }

    /// Maps one record. The id is read first, so that a rejection can name the record.
    fn apply_to(
        &self,
        record: &Root<'_>,
        external_id: &mut Option<String>,
        budget: &mut Budget,
    ) -> Result<Map<String, Value>, Stop> {
        if !record.value().is_object() && self.entries.iter().any(FieldMapping::needs_object) {
            return Err(Stop::rejected("Record is not a JSON object"));
        }
        *external_id = self.records.external_id(record, budget)?;
        let held = budget.held();
        let mut data = Map::with_capacity(self.entries.len());
        for entry in &self.entries {
            let value = entry.apply(record, budget).inspect_err(|_| budget.release_to(held));
            data.insert(String::from(entry.internal()), value?);
        }
        Ok(data)
    }
}

impl Default for FieldMappings {
    fn default() -> Self {
        Self::none()
    }
}

fn parse_entries(members: &Members<'_>, faults: &mut Faults) -> Option<Vec<FieldMapping>> {
    let at = members.pointer("mappings");
    let Value::Array(given) = faults.require(&at, members.value("mappings"))? else {
        faults.push(at, FaultCode::Type, "must be an array");
        return None;
    };
    if given.len() > FieldMappings::MAX_ENTRIES {
        let detail = format!("must have at most {} entries", FieldMappings::MAX_ENTRIES);
        faults.push(at, FaultCode::OutOfRange, detail);
        return None;
    }
    let mut taken = HashSet::new();
    let mut entries = Vec::with_capacity(given.len());
    for (index, entry) in given.iter().enumerate() {
        let at = pointer_to(&at, index);
        if let Some(name) = entry.get("internalField").and_then(Value::as_str)
            && !taken.insert(name)
        {
            let detail = "another entry fills this internal field already";
            faults.push(pointer_to(&at, "internalField"), FaultCode::Duplicate, detail);
        }
        entries.extend(FieldMapping::parse(entry, &at, faults));
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
