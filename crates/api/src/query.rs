//! Reading query parameters one by one; an unknown or repeated one is a fault.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use domain::fault::{FaultCode, Faults, pointer_to};

use crate::problem::Problem;

/// What would be right where [`moment`] reads nothing.
pub(crate) const EXPECTED_MOMENT: &str = "must be a time such as `2026-01-31T04:05:00Z` (RFC 3339)";

/// A moment of the years 1970 to 9999, which is what every store and every reader can hold.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    (at.timestamp() >= 0 && at.timestamp() < 253_402_300_800).then_some(at)
}

/// The query parameters that have not been read yet, and the faults of those that have.
pub(crate) struct Query {
    parameters: BTreeMap<String, String>,
    read: BTreeMap<&'static str, String>,
    faults: Faults,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut faults = Faults::new();
        let mut parameters = BTreeMap::new();
        let mut repeated = BTreeSet::new();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                repeated.insert(name);
            }
        }
        for name in repeated {
            faults.push(pointer_to("", name), FaultCode::Duplicate, "is given twice");
        }
        Ok(Self { parameters, read: BTreeMap::new(), faults })
    }
}

impl Query {
    /// The text of a parameter that narrows a list; an empty one is a fault, since it is more likely a mistake.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.parameters.remove(name)?;
        self.read.insert(name, value.clone());
        if value.is_empty() || value.chars().count() > 500 || value.chars().any(char::is_control) {
            self.fault(name, "must be 1 to 500 characters without control characters");
            return None;
        }
        Some(value)
    }

    /// A parameter that `parse` understands; `expected` says what would be right.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.parameters.remove(name)?;
        let parsed = parse(&value);
        self.read.insert(name, value);
        if parsed.is_none() {
            self.fault(name, expected);
        }
        parsed
    }

    /// A moment.
    pub(crate) fn moment(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        // A `+` of an offset arrives as a space where the client did not encode it.
        self.parsed(name, EXPECTED_MOMENT, |text| moment(&text.replace(' ', "+")))
    }

    /// A parameter that does not narrow the list (`limit`, `cursor`): read without becoming part of [`Self::filters`].
    pub(crate) fn paging(&mut self, name: &'static str) -> Option<String> {
        self.parameters.remove(name)
    }

    /// Whether a parameter is there, with whatever value.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        self.parameters.remove(name).is_some()
    }

    pub(crate) fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(pointer_to("", name), FaultCode::InvalidValue, detail);
    }

    /// Every filter that was read, in one canonical text; what cursors are bound to.
    pub(crate) fn filters(&self) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&self.read);
        text.finish()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every fault; a parameter that was not read is not known.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in self.parameters.keys() {
            let detail = "the operation does not know this query parameter";
            self.faults.push(pointer_to("", name), FaultCode::UnknownMember, detail);
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.faults)) }
    }
}
