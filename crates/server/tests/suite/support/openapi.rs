//! The operations of the OpenAPI document, to be walked.

use serde_json::Value;

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// In upper case.
    pub(crate) method: String,
    /// With its parameters in braces.
    pub(crate) path: String,
    pub(crate) has_body: bool,
}

impl Operation {
    /// The path with this id for every id in it.
    pub(crate) fn target(&self, id: &str) -> String {
        self.path
            .replace("{id}", id)
            .replace("{logId}", id)
            .replace("{keyId}", id)
            .replace("{correlationId}", "corr-12345")
            .replace("{code}", "not-found")
    }

    /// Whether an id of the path may be unknown.
    pub(crate) fn names_something(&self) -> bool {
        ["{id}", "{logId}", "{keyId}"].iter().any(|name| self.path.contains(name))
    }
}

/// Every operation of the document that this version serves.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().expect("methods").iter().map(|(method, operation)| Operation {
            id: operation["operationId"].as_str().expect("an id").to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.clone(),
            has_body: !operation["requestBody"].is_null(),
        })
    });
    all.collect()
}
