//! SE-A-1, SE-A-3: the whole matrix, walked over every operation of the OpenAPI document with every kind of credential.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::exchange::{Answer, Request};
use crate::support::openapi::{Operation, operations};
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CONNECTORS: &str = "/api/v1/connectors";

/// What each role may do.
const ROLES: [(&str, &[&str]); 6] = [
    ("viewer", &["read"]),
    ("operator", &["read", "execute", "switch", "test"]),
    ("approver", &["read"]),
    ("admin", &["read", "execute", "switch", "test", "configure", "audit", "manage-keys"]),
    ("auditor", &["read", "audit"]),
    ("service", &["read", "execute"]),
];

/// What each operation needs. One that is not here fails the test: whoever adds it decides.
const OPERATIONS: &[(&str, &str)] = &[
    ("listConnectors", "read"),
    ("getConnector", "read"),
    ("createConnector", "configure"),
    ("updateConnector", "configure"),
    ("deleteConnector", "configure"),
    ("enableConnector", "switch"),
    ("disableConnector", "switch"),
    ("testConnector", "test"),
    ("testConnectorDraft", "test"),
    ("executeCall", "execute"),
    ("listConnectorLogs", "read"),
    ("listLogs", "read"),
    ("listLogsByCorrelation", "read"),
    ("getLog", "read"),
    ("getStatistics", "read"),
    ("listConnectorAudit", "audit"),
    ("listAudit", "audit"),
    ("verifyAudit", "audit"),
    ("exportAudit", "audit"),
    ("createKey", "manage-keys"),
    ("listKeys", "manage-keys"),
    ("getKey", "manage-keys"),
    ("revokeKey", "manage-keys"),
];

/// What is open to everybody, as the contract lists it, whether the document has it or not.
const OPEN: [&str; 7] =
    ["/livez", "/readyz", "/readyz?verbose", "/problems/forbidden", "/docs", "/docs/", "/openapi.json"];

/// The operations of the document that need no credentials.
const OPEN_OPERATIONS: [&str; 3] = ["livez", "readyz", "showProblem"];

/// Every closed operation with the permission that it needs.
fn closed() -> Vec<(Operation, &'static str)> {
    let table: BTreeMap<_, _> = OPERATIONS.iter().copied().collect();
    let is_closed = |operation: &Operation| !OPEN_OPERATIONS.contains(&operation.id.as_str());
    let closed: Vec<_> = operations()
        .into_iter()
        .filter(is_closed)
        .map(|operation| {
            let needed = table.get(operation.id.as_str()).copied();
            let needed = needed.unwrap_or_else(|| panic!("{} is not in the matrix", operation.id));
            (operation, needed)
        })
        .collect();
    assert_eq!(closed.len(), table.len(), "the matrix names operations that are not there");
    closed
}

#[test]
fn se_a_3_the_document_says_of_every_operation_what_it_needs() {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("JSON");
    let said = |operation: &Operation, member: &str| {
        document["paths"][&operation.path][operation.method.to_ascii_lowercase()][member].clone()
    };
    for (operation, needed) in closed() {
        assert_eq!(said(&operation, "x-required-permission"), needed, "{}", operation.id);
        assert_eq!(said(&operation, "security"), Value::Null, "{}", operation.id);
        let holders =
            ROLES.iter().filter(|(_, allowed)| allowed.contains(&needed)).map(|(role, _)| format!("`{role}`"));
        let roles = format!("Roles: {}.", holders.collect::<Vec<_>>().join(", "));
        let description = said(&operation, "description").as_str().expect("a description").to_owned();
        assert!(description.ends_with(&roles), "{}: {description}", operation.id);
    }
    for operation in operations().iter().filter(|operation| OPEN_OPERATIONS.contains(&operation.id.as_str())) {
        assert_eq!(said(operation, "x-required-permission"), Value::Null, "{}", operation.id);
        assert_eq!(said(operation, "security"), json!([]), "{}", operation.id);
    }
}

/// Asks for an operation so that nobody who may do it changes anything by it.
async fn ask(service: &Service, operation: &Operation, connector: &str, key: Option<&str>) -> Answer {
    let request = service.request(&operation.method, &operation.target(connector));
    // A stale precondition is judged behind the gate.
    let request = request.header("If-Match", "\"0\"").header("Content-Type", "application/json");
    let request = key.into_iter().fold(request, Request::key);
    request.body(if operation.has_body { "{}" } else { "" }).send().await
}

#[rstest]
#[tokio::test]
async fn se_a_3_every_kind_of_credential_does_what_the_matrix_says_and_nothing_else(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::empty().await;
    let service = Service::with_keys(engine).await;
    let admin = service.key("root", "admin", &[]);
    let created = service.request("POST", CONNECTORS).key(&admin).json(&upstream.connector(&json!({}))).send().await;
    let id = created.expect(201)["id"].as_str().expect("an id").to_owned();
    let enable = service.request("POST", &format!("{CONNECTORS}/{id}/enable")).key(&admin);
    enable.send().await.expect(200);
    let closed = closed();

    for (role, allowed) in ROLES {
        let connectors: &[&str] = if role == "service" { &[&id] } else { &[] };
        let key = service.key(&format!("a-{role}"), role, connectors);
        for (operation, needed) in &closed {
            let answer = ask(&service, operation, &id, Some(&key)).await;
            if allowed.contains(needed) {
                assert!(!matches!(answer.status, 401 | 403), "{role} {}: {}", operation.id, answer.text());
            } else {
                let problem = answer.problem(403, "forbidden");
                assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(role)), "{problem}");
            }
        }
    }

    let [revoked, expired] = ["revoked", "expired"].map(|name| service.key(name, "admin", &[]));
    service.run(&["keys", "revoke", "revoked"]);
    let past = "UPDATE api_keys SET expires_at = '2020-01-01T00:00:00.000000Z' WHERE name = 'expired'";
    service.behind_its_back(past).await;
    for (credentials, key) in [("none", None), ("revoked", Some(&revoked)), ("expired", Some(&expired))] {
        for (operation, _) in &closed {
            let answer = ask(&service, operation, &id, key.map(String::as_str)).await;
            answer.problem(401, "unauthenticated");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer realm="), "{credentials} {}: {challenge}", operation.id);
            assert_eq!(challenge.contains("invalid_token"), key.is_some(), "{credentials} {}", operation.id);
        }
        for target in OPEN {
            let request = key.map(String::as_str).into_iter().fold(service.request("GET", target), Request::key);
            let status = request.send().await.status;
            assert!(status == 200 || target == "/docs" && status == 303, "{credentials} {target}: {status}");
        }
    }
}
