//! Every string of a connector's configuration.

use serde_json::Value;

use super::{find, find_for_reference, find_in_id, find_under, refusal};
use crate::connector::ConnectorDraft;
use crate::fault::{Faults, pointer_to};

impl ConnectorDraft {
    /// Notes every string that holds a raw secret, names of members included. What the surroundings and the grammar
    /// find wrong with such a string is not noted beside it.
    pub fn refuse_raw_secrets(&mut self) {
        let mut found = Faults::new();
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
            note(&pointer_to("", member), text.as_deref().and_then(find), &mut found);
        }
        let reference = self.authentication_secret_ref.as_deref();
        note("/authenticationSecretRef", reference.and_then(find_for_reference), &mut found);
        for (index, text) in self.capabilities.iter().flatten().enumerate() {
            note(&pointer_to("/capabilities", index), find(text), &mut found);
        }
        for (member, value) in [
            ("authenticationSettings", &self.authentication_settings),
            ("mappingConfiguration", &self.mapping_configuration),
        ] {
            if let Some(value) = value {
                walk(value, "", &pointer_to("", member), &mut found);
            }
        }
        self.faults.precede(found);
    }
}

/// Members whose values are ids: of a client, and of what its tokens are for.
const IDS: [&str; 2] = ["clientId", "audience"];

/// `name` is that of the member within which the value stands. A secret that is a name is pointed to by its object.
fn walk(value: &Value, name: &str, at: &str, faults: &mut Faults) {
    match value {
        Value::String(text) if IDS.contains(&name) => note(at, find_in_id(text), faults),
        Value::String(text) => note(at, find_under(name, text), faults),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                walk(element, name, &pointer_to(at, index), faults);
            }
        }
        Value::Object(members) => {
            let in_a_name = members.keys().find_map(|member| find(member));
            note(at, in_a_name, faults);
            for (member, value) in members {
                walk(value, member, &pointer_to(at, member), faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn note(at: &str, kind: Option<&'static str>, faults: &mut Faults) {
    if let Some(kind) = kind {
        let refusal = refusal(kind);
        faults.push(at, refusal.code, refusal.detail);
    }
}
