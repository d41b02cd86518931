//! One entry of `mappings`: an external field, what happens to its value, and the internal field that gets it.

use std::borrow::Cow;

use serde_json::Value;

use super::budget::{ARITHMETIC, Budget, Root, Stop};
use super::members::Members;
use super::path::{Path, Selection};
use super::transform::{Input, Misfit, Transform};
use crate::fault::{FaultCode, Faults};
use crate::redaction::is_redacted;

/// Characters in the name of a field.
const MAX_NAME_CHARACTERS: usize = 200;
/// The members of an entry.
const KNOWN: &[&str] = &["externalField", "internalField", "transform", "transformParams", "required", "defaultValue"];

/// Where in a record the value stands.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// The member with exactly this name, whatever characters it has.
    Member,
    /// What a JSONPath selects, with the record as its root.
    Path(Path),
}

/// One entry, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldMapping {
    external: String,
    source: Source,
    internal: String,
    transform: Transform,
    required: bool,
    /// `Some(null)` is a default that somebody chose; `None` is none.
    default: Option<Value>,
}

impl FieldMapping {
    /// Reads the entry at `at`; notes every fault.
    pub(super) fn parse(entry: &Value, at: &str, faults: &mut Faults) -> Option<Self> {
        let entry = Members::open(entry, at, KNOWN, faults)?;
        let external = external_field(&entry, faults);
        let internal = name("internalField", &entry, faults);
        let transform = Transform::parse(&entry, faults);
        let required = entry.flag("required", faults).unwrap_or(false);
        let default = entry.given("defaultValue").cloned();
        if let (Some(transform), Some(default)) = (&transform, &default)
            && let Some(detail) = transform.refuses_default(default)
        {
            faults.push(entry.pointer("defaultValue"), FaultCode::Type, detail);
        }
        let (external, source) = external?;
        Some(Self { external, source, internal: internal?, transform: transform?, required, default })
    }

    /// The name under which the value is kept.
    pub(super) fn internal(&self) -> &str {
        &self.internal
    }

    /// Whether the record must be an object, since a member of it is named.
    pub(super) fn needs_object(&self) -> bool {
        self.source == Source::Member
    }

    /// The internal value for `record`, copied once there is room for it.
    ///
    /// # Errors
    /// The reason to reject the record. It names the field as configured and never repeats a value.
    pub(super) fn apply(&self, record: &Root<'_>, budget: &mut Budget) -> Result<Value, Stop> {
        budget.hold(0, self.internal.len())?;
        let selection = match &self.source {
            Source::Member => {
                Selection::One(record.value().as_object().and_then(|members| members.get(&self.external)))
            }
            Source::Path(path) => path.select(record, budget)?,
        };
        for node in selection.nodes() {
            let extent = budget.measure(node)?;
            if self.transform.takes_series() {
                budget.spend(extent.flat.saturating_mul(ARITHMETIC))?;
            }
            if is_redacted(node) {
                return Err(Stop::Rejected(format!("Field '{}' was redacted", self.external)));
            }
        }
        let value = self.value_of(selection).map_err(Stop::Rejected)?;
        budget.hold_copy(&value)?;
        Ok(value.into_owned())
    }

    /// The value as it stands in the record, in the configuration, or newly made; not copied yet.
    fn value_of<'a>(&'a self, selection: Selection<'a>) -> Result<Cow<'a, Value>, String> {
        let default = Cow::Borrowed(self.default.as_ref().unwrap_or(&Value::Null));
        let Some(input) = Input::of(selection, &self.transform) else {
            return if self.required {
                Err(format!("Required field '{}' is missing", self.external))
            } else {
                Ok(default)
            };
        };
        match self.transform.apply(&input) {
            Err(Misfit::NoEntry) if !self.required && self.default.is_some() => Ok(default),
            applied => applied.map_err(|misfit| format!("Field '{}' {misfit}", self.external)),
        }
    }
}

fn external_field(entry: &Members<'_>, faults: &mut Faults) -> Option<(String, Source)> {
    let at = entry.pointer("externalField");
    if let Some(path) = entry.value("externalField").and_then(Value::as_str).filter(|text| text.starts_with('$')) {
        let parsed = faults.check(&at, Path::parse(path))?;
        return Some((String::from(path), Source::Path(parsed)));
    }
    Some((name("externalField", entry, faults)?, Source::Member))
}

fn name(member: &str, entry: &Members<'_>, faults: &mut Faults) -> Option<String> {
    let at = entry.pointer(member);
    let text = entry.text(member, faults);
    let text = faults.require(&at, text)?;
    if !(1..=MAX_NAME_CHARACTERS).contains(&text.chars().count()) {
        let detail = format!("must have 1 to {MAX_NAME_CHARACTERS} characters");
        faults.push(at, FaultCode::OutOfRange, detail);
        return None;
    }
    Some(String::from(text))
}
