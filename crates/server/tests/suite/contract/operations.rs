//! A walk of the OpenAPI document: what holds for every operation holds for each.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::openapi::{Operation, operations};
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const UNKNOWN: &str = "01979a2b-7c00-7000-8000-000000000001";

fn bodies() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|operation| operation.has_body)
}

#[rstest]
#[tokio::test]
async fn another_method_is_405_with_the_methods_that_there_are(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations() {
        let target = operation.target(UNKNOWN);
        methods.entry(target).or_default().insert(operation.method);
    }
    for (target, known) in methods {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            if known.contains(method) {
                continue;
            }
            let answer = service.request(method, &target).send().await;
            answer.problem(405, "method-not-allowed");
            let allowed: BTreeSet<String> =
                answer.header("allow").expect("Allow").split(',').map(|method| method.trim().to_owned()).collect();
            let missing: Vec<_> = known.difference(&allowed).collect();
            assert!(missing.is_empty() && !allowed.contains(method), "{method} {target}: {allowed:?}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_body_is_json_in_utf_8(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for operation in bodies() {
        let target = operation.target(UNKNOWN);
        for media_type in [
            "text/plain",
            "application/xml",
            "application/jsonp",
            "multipart/form-data",
            "application/json; charset=utf-16",
            "",
        ] {
            let request = service.request(&operation.method, &target).header("Content-Type", media_type);
            request.body("{}").send().await.problem(415, "unsupported-media-type");
        }
        let bare = service.request(&operation.method, &target).body("{}").send().await;
        bare.problem(415, "unsupported-media-type");
        let packed = service.request(&operation.method, &target).header("Content-Encoding", "gzip");
        packed.json(&json!({})).send().await.problem(415, "unsupported-media-type");
        for media_type in ["application/json", "application/json; charset=UTF-8", "Application/JSON;charset=\"utf-8\""]
        {
            let request = service.request(&operation.method, &target).header("Content-Type", media_type);
            let answer = request.body("{}").send().await;
            assert!(matches!(answer.status, 404 | 422), "{target}: {}", answer.text());
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_body_that_is_no_json_is_400_and_one_that_is_too_large_413(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let nested = |depth: usize| format!("{{\"reason\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2)).into_bytes();
    for operation in bodies() {
        let target = operation.target(UNKNOWN);
        let send = |body: Vec<u8>| {
            let request = service.request(&operation.method, &target).header("Content-Type", "application/json");
            request.body(body).send()
        };
        for bad in [
            b"{".to_vec(),
            b"nonsense".to_vec(),
            b"{} {}".to_vec(),
            b"{'a':1}".to_vec(),
            b"{\"a\":1,}".to_vec(),
            b"{\"a\":NaN}".to_vec(),
            b"{\"a\":01}".to_vec(),
            b"{\"a\":\"\xff\"}".to_vec(),
            b"{\"a\":\"\\ud800\"}".to_vec(),
            b"\xef\xbb\xbf{}".to_vec(),
            b"{\"reason\":\"a\",\"reason\":\"b\"}".to_vec(),
            b"{\"a\":{\"b\":1,\"\\u0062\":2}}".to_vec(),
            nested(33).into_bytes(),
            "[".repeat(500_000).into_bytes(),
            b" ".to_vec(),
        ] {
            let start = String::from_utf8_lossy(&bad[..bad.len().min(40)]).into_owned();
            let answer = send(bad).await;
            assert_eq!(answer.status, 400, "{target} {start}: {}", answer.text());
            answer.problem(400, "malformed-json");
        }
        assert!(matches!(send(nested(32).into_bytes()).await.status, 404 | 422), "{target}");
        send(padded(1024 * 1024 + 1)).await.problem(413, "payload-too-large");
        assert!(matches!(send(padded(1024 * 1024)).await.status, 404 | 422), "{target}");
    }
    for operation in bodies()
        .filter(|operation| !matches!(operation.id.as_str(), "enableConnector" | "disableConnector" | "revokeKey"))
    {
        let nothing = service.request(&operation.method, &operation.target(UNKNOWN)).send().await;
        nothing.problem(400, "malformed-json");
    }
}

#[rstest]
#[tokio::test]
async fn a_body_is_an_object(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register(&upstream.connector(&json!({}))).await;
    for operation in bodies() {
        let target = operation.target(path.rsplit('/').next().expect("an id"));
        for no_object in ["[]", "null", "1", "\"x\"", "true"] {
            let request = service.request(&operation.method, &target).header("Content-Type", "application/json");
            assert_eq!(request.body(no_object).send().await.pointers(), [""], "{target} {no_object}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_unknown_id_is_404_with_the_code_of_its_kind(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let named: Vec<_> = operations().into_iter().filter(Operation::names_something).collect();
    assert_eq!(named.len(), 12);
    for operation in named {
        let kinds = [("{logId}", "log-not-found"), ("{keyId}", "key-not-found"), ("{id}", "connector-not-found")];
        let code = kinds.iter().find(|(name, _)| operation.path.contains(name)).expect("a kind").1;
        for id in [UNKNOWN, "x", "%ff", "%2e%2e"] {
            let request = service.request(&operation.method, &operation.target(id));
            let answer = if operation.has_body { request.json(&json!({})) } else { request }.send().await;
            assert_eq!(answer.status, 404, "{} {id}: {}", operation.id, answer.text());
            answer.problem(404, code);
        }
    }
    service.get("/problems/nothing").await.problem(404, "not-found");
}

#[rstest]
#[tokio::test]
async fn an_unknown_query_parameter_is_422(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let log = service.execute(&path, &call).await["log"]["id"].as_str().expect("an id").to_owned();
    let connector = path.rsplit('/').next().expect("an id");
    for operation in operations() {
        let target = operation.target(if operation.path.contains("{logId}") { &log } else { connector });
        let request = service.request(&operation.method, &format!("{target}?colour=red"));
        let answer = if operation.has_body { request.json(&json!({})) } else { request }.send().await;
        assert_eq!(answer.pointers(), ["/colour"], "{}", operation.id);
        answer.problem(422, "unknown-member");
    }
    // Nothing of it was done.
    assert_eq!(service.get(&path).await.expect(200)["status"], "Enabled");
}

#[rstest]
#[tokio::test]
async fn a_path_that_is_no_operation_is_404(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for target in [
        "/",
        "/nothing",
        "/api/v1",
        "/api/v2/connectors",
        "/api/v1/connectors/",
        "/api/v1//connectors",
        "/API/v1/connectors",
        "/api/v1/connectors/stats/x/y",
        "/api/v1/connectors/../../../etc/passwd",
        "/%00",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = service.request(method, target).send().await;
            assert!(matches!(answer.status, 404 | 405), "{method} {target}: {}", answer.text());
        }
        assert_eq!(service.get(target).await.status, 404, "{target}");
    }
}

#[rstest]
#[tokio::test]
async fn a_head_is_a_get_without_its_body(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    for target in ["/livez", "/api/v1/connectors", "/api/v1/audit", "/openapi.json"] {
        let answer = service.request("HEAD", target).send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{target}");
    }
    assert_eq!(service.request("HEAD", &format!("/api/v1/connectors/{UNKNOWN}")).send().await.status, 404);
}
