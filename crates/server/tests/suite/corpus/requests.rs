//! `requests.json`: the sound requests that cases alter, and what has to be there before them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requests {
    /// Connectors by the names under which `{{id:NAME}}` finds them.
    pub(super) connectors: BTreeMap<String, Value>,
    /// Secrets of the store.
    pub(super) secrets: BTreeMap<String, String>,
    /// Lists by the names under which `{{cursor:NAME:EDIT}}` finds a cursor of them.
    pub(super) cursors: BTreeMap<String, String>,
    /// Roles of API keys by the names under which `{{key:NAME}}` finds them.
    pub(super) keys: BTreeMap<String, String>,
    /// Requests by name.
    #[serde(rename = "requests")]
    by_name: BTreeMap<String, Request>,
}

/// A request that would pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<Value>,
}

impl Requests {
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("requests.json: {error}"))
    }

    /// The request of that name.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn request(&self, name: &str) -> &Request {
        self.by_name.get(name).unwrap_or_else(|| panic!("requests.json has no {name:?}"))
    }

    /// Whether there is a request of that name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}
