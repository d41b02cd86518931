//! The OpenAPI document is checked in, so that a change of the contract is seen in review.

use std::collections::BTreeSet;

use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&api::openapi_json()).expect("the document is JSON")
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations");
        operations.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let checked_in = include_str!("../../openapi.json");
    assert!(
        api::openapi_json() == checked_in,
        "the contract has changed; look at the difference after `cargo run -- openapi > crates/api/openapi.json`"
    );
}

#[test]
fn every_operation_has_an_id_of_its_own_a_tag_and_a_summary() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("an operation id");
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
        for member in ["tags", "summary"] {
            assert!(!operation[member].is_null(), "{method} {path} has no {member}");
        }
    }
    assert_eq!(ids.len(), 26);
}

#[test]
fn every_error_of_every_operation_is_a_problem_with_a_correlation_id() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            assert!(!response["headers"]["X-Correlation-ID"].is_null(), "{method} {path} {status}");
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn nullable_members_of_answers_are_required() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let of_requests = ["MappingConfiguration", "FieldMapping"];
    let is_answer = |name: &str| !name.ends_with("Request") && name != "Problem" && !of_requests.contains(&name);
    for (name, schema) in schemas.iter().filter(|(name, _)| is_answer(name)) {
        let parts: Vec<&Value> =
            schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().collect());
        for part in parts {
            let required: Vec<&str> =
                part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for member in part["properties"].as_object().into_iter().flat_map(|members| members.keys()) {
                assert!(required.contains(&member.as_str()), "{name}.{member} is not required");
            }
        }
    }
}

#[test]
fn requests_name_their_closed_sets() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["ConnectorRequest"]["properties"]["retryJitter"]["enum"], serde_json::json!(["Full", "None"]));
    let capabilities = &schemas["ConnectorRequest"]["properties"]["capabilities"]["items"]["enum"];
    assert_eq!(capabilities, &serde_json::json!(["pull", "push", "webhook"]));
    for member in ["operationType", "method"] {
        assert!(schemas["ExecuteRequest"]["properties"][member]["enum"].is_array(), "{member}");
    }
    assert!(schemas["ConnectorRequest"]["properties"]["authenticationType"]["enum"].is_array());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, references)),
        _ => {}
    }
}

#[test]
fn every_link_leads_to_a_parameter_of_an_operation() {
    let document = document();
    let mut links = 0;
    for (_, _, operation) in operations(&document) {
        let responses = operation["responses"].as_object().expect("responses").values();
        for link in responses.filter_map(|response| response["links"].as_object()).flat_map(|links| links.values()) {
            links += 1;
            let id = &link["operationId"];
            let target = operations(&document).find(|(_, _, operation)| operation["operationId"] == *id);
            let (_, _, target) = target.unwrap_or_else(|| panic!("{id}"));
            for (name, expression) in link["parameters"].as_object().expect("parameters") {
                let parameters = target["parameters"].as_array().expect("parameters");
                assert!(parameters.iter().any(|parameter| parameter["name"] == **name), "{id}: {name}");
                assert!(expression.as_str().is_some_and(|text| text.starts_with("$response.body#/")), "{expression}");
            }
        }
    }
    assert!(links > 10, "{links}");
}

#[test]
fn a_new_connector_is_linked_to_everything_that_can_be_done_with_it() {
    let document = document();
    let links =
        document["paths"]["/api/v1/connectors"]["post"]["responses"]["201"]["links"].as_object().expect("links");
    for (path, _, operation) in operations(&document).filter(|(path, ..)| path.starts_with("/api/v1/connectors/{id}")) {
        let id = operation["operationId"].as_str().expect("an id");
        assert_eq!(links[id]["parameters"]["id"], "$response.body#/id", "{path}");
    }
}
