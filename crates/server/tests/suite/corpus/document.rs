//! What the served OpenAPI document declares: operations, the statuses of their answers, and the schemas of these.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The document, with the validators that were made of it so far.
pub(super) struct Document {
    document: Value,
    validators: Mutex<HashMap<String, Validator>>,
}

/// Where a request leads.
pub(super) enum Route<'a> {
    /// To this operation.
    Operation {
        /// As the document names it.
        id: String,
        operation: &'a Value,
    },
    /// To a path that has these methods, and not the one that was asked for.
    OtherMethods(BTreeSet<String>),
    /// To nothing that the document knows.
    Nowhere,
}

impl Document {
    pub(super) fn new(document: Value) -> Self {
        Self { document, validators: Mutex::default() }
    }

    /// Finds the operation of a request. Literal segments come before variable ones, and HEAD is GET without a body.
    pub(super) fn route(&self, method: &str, path: &str) -> Route<'_> {
        let paths = self.document["paths"].as_object().expect("paths");
        let mut fitting: Vec<_> = paths.iter().filter(|(template, _)| fits(template, path)).collect();
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        let Some((_, methods)) = fitting.first() else { return Route::Nowhere };
        let methods = methods.as_object().expect("methods");
        let wanted = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        match methods.get(&wanted).filter(|_| method.to_uppercase() == method) {
            Some(operation) => {
                Route::Operation { id: operation["operationId"].as_str().expect("an id").to_owned(), operation }
            }
            None => Route::OtherMethods(allowed(methods)),
        }
    }

    /// Whether a body of that media type is what the operation declares for the status.
    ///
    /// # Errors
    /// What is not.
    pub(super) fn check(
        &self,
        id: &str,
        operation: &Value,
        status: u16,
        media_type: &str,
        body: &[u8],
    ) -> Result<(), String> {
        let response = &operation["responses"][status.to_string()];
        if response.is_null() {
            return Err(format!("the document does not declare {status} for {id}"));
        }
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            if header.is_null() {
                return Err(format!("{name} has no description"));
            }
        }
        if body.is_empty() {
            return Ok(());
        }
        let essence = media_type.split(';').next().unwrap_or_default();
        let content = &response["content"][essence];
        if content.is_null() {
            return Err(format!("the document does not declare {essence:?} for {status} of {id}"));
        }
        if essence.contains("json") {
            let body: Value =
                serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
            return self.validate(&format!("{id} {status}"), &content["schema"], &body);
        }
        Ok(())
    }

    /// Whether a body is a problem, where no operation says so.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_problem(&self, body: &Value) -> Result<(), String> {
        self.validate("problem", &json!({ "$ref": "#/components/schemas/Problem" }), body)
    }

    fn validate(&self, name: &str, schema: &Value, body: &Value) -> Result<(), String> {
        let mut validators = self.validators.lock().expect("no panic");
        let validator = validators.entry(name.to_owned()).or_insert_with(|| {
            let whole = json!({ "allOf": [schema], "components": self.document["components"] });
            jsonschema::draft202012::options().should_validate_formats(true).build(&whole).expect("a schema")
        });
        let faults: Vec<_> = validator
            .iter_errors(body)
            .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(format!("not as the schema says: {}", faults.join("; "))) }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            // No variable is empty.
            (Some(expected), Some(given)) if expected == given || (expected.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

fn allowed(methods: &Map<String, Value>) -> BTreeSet<String> {
    let mut allowed: BTreeSet<String> = methods.keys().map(|method| method.to_uppercase()).collect();
    if allowed.contains("GET") {
        allowed.insert("HEAD".to_owned());
    }
    allowed
}
