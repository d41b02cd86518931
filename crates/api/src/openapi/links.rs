//! What can follow an answer: links from what it says to the operations that take it.

use serde_json::{Map, Value, json};

const CONNECTOR: &str = "/api/v1/connectors/{id}";

/// Adds the links between operations.
pub(super) fn add(paths: &mut Map<String, Value>) {
    let of_connector: Map<String, Value> = paths
        .iter()
        .filter(|(path, _)| path.strip_prefix(CONNECTOR).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .flat_map(|(_, operations)| operations.as_object().into_iter().flat_map(Map::values))
        .filter_map(|operation| operation["operationId"].as_str())
        .map(|id| (id.to_owned(), link(id, "id", "$response.body#/id")))
        .collect();
    let of_call = |log: &str| {
        Map::from_iter([(
            "listLogsByCorrelation".to_owned(),
            link("listLogsByCorrelation", "correlationId", &format!("$response.body#{log}/correlationId")),
        )])
    };
    let mut of_execution = of_call("/log");
    of_execution.insert("getLog".to_owned(), link("getLog", "logId", "$response.body#/log/id"));
    let of_enabled = Map::from_iter([("executeCall".to_owned(), link("executeCall", "id", "$response.body#/id"))]);
    let of_key = ["getKey", "revokeKey"].map(|id| (id.to_owned(), link(id, "keyId", "$response.body#/id")));
    let links = [
        ("createConnector", "201", of_connector),
        ("enableConnector", "200", of_enabled),
        ("executeCall", "200", of_execution),
        ("createKey", "201", Map::from_iter(of_key)),
        ("testConnector", "200", of_call("")),
        ("testConnectorDraft", "200", of_call("")),
    ];
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some((_, status, links)) = links.iter().find(|(id, ..)| operation["operationId"] == *id) else { continue };
        operation["responses"][status]["links"] = json!(links);
    }
}

fn link(operation: &str, parameter: &str, expression: &str) -> Value {
    json!({ "operationId": operation, "parameters": { parameter: expression } })
}
