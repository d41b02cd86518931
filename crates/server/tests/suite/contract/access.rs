//! Who gets in (SE-A-1), and what becomes known of it. What each role may do is in `roles`.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::openapi::{Operation, operations};
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CONNECTORS: &str = "/api/v1/connectors";
const OPEN: [&str; 3] = ["livez", "readyz", "showProblem"];

fn closed() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|operation| !OPEN.contains(&operation.id.as_str()))
}

#[rstest]
#[tokio::test]
async fn everything_but_what_is_open_needs_credentials(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::with_keys(engine).await;
    let key = service.key("ana", "admin", &[]);
    for operation in closed() {
        let target = operation.target("01979a2b-7c00-7000-8000-000000000001");
        for wrong in [
            None,
            Some("Bearer ".to_owned()),
            Some("Bearer nonsense".to_owned()),
            Some(format!("Bearer {key}x")),
            Some(format!("Basic {key}")),
            Some(key.clone()),
        ] {
            // The body is not looked at before the credentials.
            let mut request = service.request(&operation.method, &target).body("{");
            if let Some(wrong) = &wrong {
                request = request.header("Authorization", wrong);
            }
            let answer = request.send().await;
            answer.problem(401, "unauthenticated");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer realm="), "{target}: {challenge}");
            assert!(!answer.text().contains(&key));
        }
    }
    let twice = service.request("GET", CONNECTORS).key(&key).key(&key).send().await;
    twice.problem(401, "unauthenticated");
    // What does not exist is not told to strangers either.
    service.get("/api/v1/nothing").await.problem(401, "unauthenticated");
    assert_eq!(service.request("GET", CONNECTORS).key(&key).send().await.status, 200);
}

/// A service with two connectors that were both called under the id `shared`, and their paths.
async fn with_two_connectors(engine: Engine) -> (Service, String, [String; 2]) {
    let upstream = Upstream::empty().await;
    let service = Service::with_keys(engine).await;
    let admin = service.key("ana", "admin", &[]);
    let mut paths = Vec::new();
    for name in ["Mine", "Theirs"] {
        let given = upstream.connector(&json!({ "name": name }));
        let created = service.request("POST", CONNECTORS).key(&admin).json(&given).send().await.expect(201);
        let path = format!("{CONNECTORS}/{}", created["id"].as_str().expect("an id"));
        service.request("POST", &format!("{path}/enable")).key(&admin).send().await.expect(200);
        call(&service, &path, &admin).await.expect(200);
        paths.push(path);
    }
    (service, admin, paths.try_into().expect("two"))
}

async fn call(service: &Service, path: &str, key: &str) -> crate::support::exchange::Answer {
    let request = service.request("POST", &format!("{path}/execute")).key(key).header("X-Correlation-ID", "shared");
    request.json(&json!({ "operationType": "pull", "endpoint": "/x" })).send().await
}

async fn items(service: &Service, target: &str, key: &str) -> Vec<Value> {
    let page = service.request("GET", target).key(key).send().await.expect(200);
    page["items"].as_array().expect("items").clone()
}

#[rstest]
#[tokio::test]
async fn a_service_sees_its_own_connectors_and_no_trace_of_others(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, admin, [mine, theirs]) = with_two_connectors(engine).await;
    let id = |path: &str| path.rsplit('/').next().expect("an id").to_owned();
    let key = service.key("robot", "service", &[&id(&mine)]);
    assert_eq!(call(&service, &mine, &key).await.expect(200)["log"]["initiatedBy"], "robot");
    call(&service, &theirs, &key).await.problem(404, "connector-not-found");
    for target in [theirs.clone(), format!("{theirs}/logs")] {
        service.request("GET", &target).key(&key).send().await.problem(404, "connector-not-found");
    }
    let listed = items(&service, CONNECTORS, &key).await;
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &json!("Mine")));
    let theirs_id = id(&theirs);
    for (target, expected) in [
        (format!("{CONNECTORS}/logs"), 2),
        (format!("{CONNECTORS}/logs?correlationId=shared"), 2),
        (format!("{CONNECTORS}/logs/by-correlation/shared"), 2),
        (format!("{mine}/logs"), 2),
        (format!("{CONNECTORS}/logs?connectorId={theirs_id}"), 0),
    ] {
        let logs = items(&service, &target, &key).await;
        assert_eq!(logs.len(), expected, "{target}");
        assert!(logs.iter().all(|log| log["connectorName"] == "Mine"), "{target}");
    }
    for log in items(&service, &format!("{theirs}/logs"), &admin).await {
        let target = format!("{CONNECTORS}/logs/{}", log["id"].as_str().expect("an id"));
        service.request("GET", &target).key(&key).send().await.problem(404, "log-not-found");
    }
}

#[rstest]
#[tokio::test]
async fn what_was_done_names_the_key_that_did_it(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, ana, [path, _]) = with_two_connectors(engine).await;
    let ben = service.key("ben", "operator", &[]);
    let disabled = service.request("POST", &format!("{path}/disable")).key(&ben).send().await.expect(200);
    assert_eq!((&disabled["createdBy"], &disabled["updatedBy"]), (&json!("ana"), &json!("ben")));
    assert_eq!(disabled["statusChangedBy"], "ben");
    assert_eq!(call(&service, &path, &ben).await.expect(200)["log"]["initiatedBy"], "ben");
    let audit = items(&service, &format!("{path}/audit"), &ana).await;
    let actors: Vec<_> = audit.iter().map(|entry| (entry["actor"].as_str(), entry["actorType"].as_str())).collect();
    assert_eq!(actors[0], (Some("ben"), Some("ApiKey")));
    assert_eq!(actors[2], (Some("ana"), Some("ApiKey")));
    assert_eq!(items(&service, "/api/v1/audit?actor=ben", &ana).await.len(), 1);
    let keys = items(&service, "/api/v1/audit?action=key.created", &ana).await;
    assert!(!json!(keys).to_string().contains(&ben));
}

#[rstest]
#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_refusals_are_in_the_log(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::with_keys(engine).await;
    let key = service.key("temp", "viewer", &[]);
    assert_eq!(service.request("GET", CONNECTORS).key(&key).send().await.status, 200);
    service.request("GET", "/api/v1/audit").key(&key).send().await.problem(403, "forbidden");
    service.run(&["keys", "revoke", "temp"]);
    service.request("GET", CONNECTORS).key(&key).send().await.problem(401, "unauthenticated");
    let (lines, _database) = service.stop();
    let events: Vec<_> = lines.iter().filter_map(|line| line["security_event"].as_str()).collect();
    assert_eq!(events, ["permission-denied", "credentials-refused"]);
    assert!(!json!(lines).to_string().contains(&key));
}
