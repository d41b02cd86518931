//! The OpenAPI 3.1 document: what the handlers say of themselves, and what holds for all of them.

mod links;
mod mapping;
mod text;

use domain::access::{Permission, Role};
use domain::api_key::KeyStatus;
use domain::connector::{Capability, ConnectorStatus};
use domain::integration_log::{HttpMethod, IntegrationStatus};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::PathItem;

use crate::api_keys::dto::READ_ONLY as READ_ONLY_OF_KEYS;
use crate::connectors::dto::READ_ONLY;
use crate::problem::ProblemDetails;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Integration Connector Framework",
        description = "Connects ESG Report Studio to the HR, ERP, finance and utility systems that ESG data comes from.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemDetails)),
    tags(
        (name = "Connectors", description = "Configured ways to external systems"),
        (name = "Execution", description = "Calls through connectors"),
        (name = "Integration logs", description = "What calls did"),
        (name = "API keys", description = "By which callers are known"),
        (name = "Audit", description = "Who changed what"),
        (name = "Operational", description = "Probes and documentation"),
    )
)]
pub(crate) struct Document;

/// The member of an operation that names the permission that it needs; an operation without it is open to everybody.
const PERMISSION: &str = "x-required-permission";

/// Says of the operations of a path which permission they need, and who has it.
pub(crate) fn require(permission: Permission, path: &mut PathItem) {
    let roles: Vec<String> = Role::ALL
        .into_iter()
        .filter(|role| role.allows(permission))
        .map(|role| format!("`{}`", role.as_str()))
        .collect();
    let named = format!("Permission: `{}`. Roles: {}.", permission.as_str(), roles.join(", "));
    let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
    for operation in operations.into_iter().flatten() {
        let described = operation.description.take().filter(|text| !text.is_empty());
        operation.description = Some(described.into_iter().chain([named.clone()]).collect::<Vec<_>>().join("\n\n"));
        operation
            .extensions
            .get_or_insert_with(Extensions::default)
            .insert(PERMISSION.to_owned(), permission.as_str().into());
    }
}

/// The document as it is served: pretty-printed, ending in a newline.
pub(crate) fn print(document: &utoipa::openapi::OpenApi) -> String {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete(&mut document);
    format!(
        "{document:#}
"
    )
}

/// The closed sets of the requests. Answers stay plain strings there: their readers must tolerate new values.
fn choices() -> [(&'static str, Vec<&'static str>); 6] {
    [
        ("/ConnectorRequest/properties/authenticationType", vec!["None", "ApiKey", "Basic", "Bearer", "OAuth2"]),
        ("/ConnectorRequest/properties/retryJitter", vec!["Full", "None"]),
        ("/ConnectorRequest/properties/capabilities/items", Capability::ALL.map(Capability::as_str).to_vec()),
        ("/CreateKeyRequest/properties/role", Role::ALL.map(Role::as_str).to_vec()),
        ("/ExecuteRequest/properties/operationType", vec!["pull", "push"]),
        ("/ExecuteRequest/properties/method", HttpMethod::ALL.map(HttpMethod::as_str).to_vec()),
    ]
}

/// Adds what every operation has in common.
fn complete(document: &mut Value) {
    for (pointer, values) in choices() {
        if let Some(schema) = document["components"]["schemas"].pointer_mut(pointer) {
            schema["enum"] = json!(values);
        }
    }
    open_objects(&mut document["components"]["schemas"]);
    for closed in ["ExecuteRequest", "RevokeKeyRequest", "SwitchRequest"] {
        document["components"]["schemas"][closed]["additionalProperties"] = json!(false);
    }
    refer_to_items(&mut document["components"]["schemas"]);
    mapping::add(&mut document["components"]["schemas"]);
    text::constrain(&mut document["components"]["schemas"]);
    for (request, read_only) in [("ConnectorRequest", READ_ONLY), ("CreateKeyRequest", READ_ONLY_OF_KEYS)] {
        name_members(&mut document["components"]["schemas"][request], read_only);
    }
    document["components"]["securitySchemes"] = json!({
        "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key; not needed with `auth.mode = \"none\"`" },
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of the deployment's identity provider, where `auth.mode` has `oidc`"
        }
    });
    document["components"]["headers"] = json!({
        "X-Correlation-ID": {
            "description": "The id under which the service's log has the request",
            "required": true,
            "schema": { "type": "string" }
        },
        "RateLimit-Policy": {
            "description": "How many requests a principal may make in how many seconds; absent where the deployment sets no limit",
            "schema": { "type": "string", "examples": ["\"principal\";q=600;w=60"] }
        },
        "RateLimit": {
            "description": "How many requests may follow at once, and the seconds until all of them may again, or after a 429 the next one",
            "schema": { "type": "string", "examples": ["\"principal\";r=599;t=1"] }
        }
    });
    document["security"] = json!([{ "apiKey": [] }, { "accessToken": [] }]);
    let Some(paths) = document["paths"].as_object_mut() else { return };
    links::add(paths);
    for (path, operations) in paths {
        let Some(operations) = operations.as_object_mut() else { continue };
        for (method, operation) in operations {
            complete_operation(path, method, operation);
        }
    }
}

/// A request may carry the members along that only answers have, and no others. They are named without being members
/// of the request, so that generated clients do not offer them.
fn name_members(request: &mut Value, read_only: &[&str]) {
    let own = request["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let names: Vec<&str> = own.chain(read_only.iter().copied()).collect();
    request["propertyNames"] = json!({ "enum": names });
}

/// The items of a list are the schema of that name, not a copy of it.
fn refer_to_items(schemas: &mut Value) {
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(item) = name.strip_prefix("List_") {
            schema["properties"]["items"]["items"] = json!({ "$ref": format!("#/components/schemas/{item}") });
        }
    }
}

/// Objects without named members hold any; generators take silence for "none".
fn open_objects(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let free =
                members.get("type").is_some_and(|kind| *kind == json!("object") || *kind == json!(["object", "null"]));
            if free && !members.contains_key("properties") {
                members.entry("additionalProperties").or_insert(json!(true));
            }
            members.values_mut().for_each(open_objects);
        }
        Value::Array(elements) => elements.iter_mut().for_each(open_objects),
        _ => {}
    }
}

/// The operations that take an `Idempotency-Key`.
fn is_named(operation: Option<&str>) -> bool {
    matches!(operation, Some("createConnector" | "createKey" | "executeCall"))
}

fn complete_named(status: &str, response: &mut Value) {
    if status.starts_with('2') {
        let description = "`true` where it is the answer of an earlier request";
        response["headers"]["Idempotency-Replayed"] =
            json!({ "schema": { "type": "string" }, "description": description });
    }
    if status == "409" {
        let description = "Seconds; with `idempotency-key-in-flight`";
        response["headers"]["Retry-After"] = json!({ "schema": { "type": "integer" }, "description": description });
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    let operation_id = operation["operationId"].as_str().map(str::to_owned);
    if let Some(parameters) = operation.as_object_mut().map(|members| members.entry("parameters").or_insert(json!([])))
        && let Some(parameters) = parameters.as_array_mut()
    {
        for parameter in parameters.iter_mut() {
            if let Some(values) = parameter_choices(path, parameter["name"].as_str().unwrap_or_default()) {
                parameter["schema"]["enum"] = values;
            }
            text::constrain_parameter(parameter);
        }
        if is_named(operation_id.as_deref()) {
            parameters.push(json!({
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Yours to choose: the same key with the same body has its effect once, and is answered as it was the first time, for 24 hours",
                "required": false,
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$" }
            }));
        }
        parameters.push(json!({
            "name": "X-Correlation-ID",
            "in": "header",
            "description": "Yours to choose: 1 to 128 of A-Z a-z 0-9 . _ : ~ -. Another one is made where it is absent or of another form",
            "required": false,
            "schema": { "type": "string" }
        }));
    }
    if operation[PERMISSION].is_null() {
        operation["security"] = json!([]);
    }
    // A body that can be left out is still not null.
    if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema")
        && let Some(reference) = schema["oneOf"]
            .as_array()
            .and_then(|choices| choices.iter().find(|choice| !choice["$ref"].is_null()))
            .cloned()
    {
        *schema = reference;
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description) in common_problems(path, method) {
        responses.entry(status).or_insert_with(|| json!({ "description": description }));
    }
    for (status, response) in responses {
        complete_response(path, status, response);
        if is_named(operation_id.as_deref()) {
            complete_named(status, response);
        }
    }
}

/// The closed sets of the query parameters.
fn parameter_choices(path: &str, name: &str) -> Option<Value> {
    match name {
        "status" if path.ends_with("/logs") => Some(json!(IntegrationStatus::ALL.map(IntegrationStatus::as_str))),
        "status" if path.ends_with("/keys") => Some(json!(KeyStatus::ALL.map(KeyStatus::as_str))),
        "role" => Some(json!(Role::ALL.map(Role::as_str))),
        "status" => Some(json!([ConnectorStatus::Enabled.as_str(), ConnectorStatus::Disabled.as_str()])),
        "capability" => Some(json!(Capability::ALL.map(Capability::as_str))),
        _ => None,
    }
}

const NOT_FOUND: &str = "`connector-not-found`, `log-not-found` or `not-found`";

/// What can happen to every operation of this kind.
fn common_problems(path: &str, method: &str) -> Vec<(&'static str, &'static str)> {
    let has_body = path.starts_with("/api/") && matches!(method, "post" | "put");
    let mut problems = vec![
        ("400", if has_body { "`malformed-json` or `malformed-request`" } else { "`malformed-request`" }),
        ("408", "`request-timeout`"),
        ("414", "`url-too-long`"),
        ("431", "`headers-too-large`"),
        ("500", "`internal-error`"),
    ];
    if path.contains('{') && path != "/api/v1/connectors/logs/by-correlation/{correlationId}" {
        let found = if path.contains("{keyId}") { "`key-not-found`" } else { NOT_FOUND };
        problems.push(("404", found));
    }
    if path.starts_with("/api/") {
        problems.extend([
            ("401", "`unauthenticated`"),
            ("403", "`forbidden`, or `foreign-page` where nobody logs in"),
            ("422", "`validation-failed` or a more telling code; `errors` names them, up to 100"),
            ("429", "`too-many-requests` or `too-many-failed-logins`"),
            ("503", "`store-unavailable`, `secret-store-unavailable` or `identity-provider-unavailable`"),
        ]);
        if has_body {
            problems.extend([("413", "`payload-too-large`"), ("415", "`unsupported-media-type`")]);
        }
    }
    if !path.starts_with("/api/") {
        problems.push(("422", "`unknown-member`: the operation does not know a query parameter"));
    }
    problems
}

fn complete_response(path: &str, status: &str, response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    headers["X-Correlation-ID"] = json!({ "$ref": "#/components/headers/X-Correlation-ID" });
    if status == "401" {
        headers["WWW-Authenticate"] = json!({ "schema": { "type": "string" }, "description": "RFC 6750" });
    }
    if path.starts_with("/api/") && (status.starts_with(['2', '3']) || status == "429") {
        for name in ["RateLimit-Policy", "RateLimit"] {
            headers[name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
    }
    if matches!(status, "429" | "503") {
        headers["Retry-After"] = json!({ "schema": { "type": "integer" }, "description": "Seconds" });
    }
    if status.starts_with('4') || status.starts_with('5') {
        let problem: Map<String, Value> = Map::from_iter([(
            "application/problem+json".to_owned(),
            json!({ "schema": { "$ref": "#/components/schemas/Problem" } }),
        )]);
        response.insert("content".to_owned(), Value::Object(problem));
    }
}
