//! Every string of a connector's configuration.

use serde_json::Value;

use super::{LONGEST, find, find_for_reference, find_in_id, find_under, refusal};
use crate::connector::ConnectorDraft;
use crate::fault::{Faults, pointer_to};

/// How much of a draft is looked through, in bytes. No connector has as much: what stands behind it is refused for its
/// length, and looking for secrets in a megabyte would take seconds.
const MOST_BYTES: usize = 256 * 1024;

/// Members whose values are ids: of a client, and of what its tokens are for.
const IDS: [&str; 2] = ["clientId", "audience"];

impl ConnectorDraft {
    /// Notes every string that holds a raw secret, names of members included. What the surroundings and the grammar
    /// find wrong with such a string is not noted beside it.
    pub fn refuse_raw_secrets(&mut self) {
        let mut search = Search { found: Faults::new(), left: MOST_BYTES };
        let texts = [
            ("name", &self.name),
            ("connectorType", &self.connector_type),
            ("description", &self.description),
            ("endpointBaseUrl", &self.endpoint_base_url),
            ("authenticationType", &self.authentication_type),
            ("retryJitter", &self.retry_jitter),
            ("idempotencyKeyHeader", &self.idempotency_key_header),
        ];
        for (member, text) in texts {
            if let Some(text) = text {
                search.judge(&At::Draft.member(member), text, find);
            }
        }
        if let Some(reference) = &self.authentication_secret_ref {
            search.judge(&At::Draft.member("authenticationSecretRef"), reference, find_for_reference);
        }
        for (index, text) in self.capabilities.iter().flatten().enumerate() {
            search.judge(&At::Element(&At::Draft.member("capabilities"), index), text, find);
        }
        for (member, value) in [
            ("authenticationSettings", &self.authentication_settings),
            ("mappingConfiguration", &self.mapping_configuration),
        ] {
            if let Some(value) = value {
                search.walk(value, "", &At::Draft.member(member));
            }
        }
        self.faults.precede(search.found);
    }
}

/// Where a value stands. Pointers are made for what is noted only: made for every value, they would take the length of a
/// name above it times the values below it.
#[derive(Clone, Copy)]
enum At<'a> {
    Draft,
    Member(&'a At<'a>, &'a str),
    Element(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    fn pointer(&self) -> String {
        match self {
            Self::Draft => String::new(),
            Self::Member(parent, name) => pointer_to(&parent.pointer(), Faults::start_of_name(name)),
            Self::Element(parent, index) => pointer_to(&parent.pointer(), index),
        }
    }
}

struct Search {
    found: Faults,
    /// How many bytes may still be looked through.
    left: usize,
}

impl Search {
    fn judge(&mut self, at: &At<'_>, text: &str, find: impl Fn(&str) -> Option<&'static str>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(text.len().min(LONGEST));
        let Some(kind) = find(text) else { return false };
        let refusal = refusal(kind);
        self.found.push(at.pointer(), refusal.code, refusal.detail);
        true
    }

    /// `name` is that of the member within which the value stands. A secret that is a name is pointed to by its object.
    fn walk(&mut self, value: &Value, name: &str, at: &At<'_>) {
        match value {
            Value::String(text) if IDS.contains(&name) => {
                self.judge(at, text, find_in_id);
            }
            Value::String(text) => {
                self.judge(at, text, |text| find_under(name, text));
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.walk(element, name, &At::Element(at, index));
                }
            }
            Value::Object(members) => {
                let _noted_once = members.keys().any(|member| self.judge(at, member, find));
                for (member, value) in members {
                    self.walk(value, member, &at.member(member));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
