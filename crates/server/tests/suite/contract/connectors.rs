//! Registering, reading, replacing and deleting connectors.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use crate::support::service::Service;
use crate::support::shape::{is_id, is_time, shape};
use crate::support::upstream::{Reply, Upstream, connector};

const CONNECTORS: &str = "/api/v1/connectors";
const HR: &str = "https://api.hr-system.example.com/v1";

fn hr() -> Value {
    connector(HR, &json!({}))
}

#[rstest]
#[tokio::test]
async fn a_minimal_connector_is_created_disabled_with_every_default(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let created = service.post(CONNECTORS, &hr()).await;
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.header("etag"), Some("\"1\""));
    let body = created.json();
    let id = body["id"].as_str().expect("an id");
    assert!(is_id(id), "{id}");
    assert!(is_time(body["createdAt"].as_str().expect("a time")), "{}", body["createdAt"]);
    assert_eq!(created.header("location"), Some(format!("{CONNECTORS}/{id}").as_str()));
    insta::allow_duplicates! {
        insta::assert_snapshot!(shape(&body), @r#"
        {
          "id": "[id]",
          "version": 1,
          "name": "Company HR System",
          "connectorType": "HR",
          "description": null,
          "status": "Disabled",
          "statusReason": null,
          "statusChangedAt": null,
          "statusChangedBy": null,
          "endpointBaseUrl": "https://api.hr-system.example.com/v1",
          "authenticationType": "None",
          "authenticationSecretRef": null,
          "authenticationSettings": {},
          "capabilities": [
            "pull",
            "push"
          ],
          "rateLimitPerMinute": 60,
          "maxRetryAttempts": 3,
          "retryDelaySeconds": 5,
          "useExponentialBackoff": true,
          "retryJitter": "Full",
          "maxRetryDelaySeconds": 60,
          "attemptTimeoutSeconds": 15,
          "deadlineSeconds": 60,
          "idempotencyKeyHeader": null,
          "mappingConfiguration": {
            "mappings": []
          },
          "createdAt": "[time]",
          "createdBy": "local",
          "updatedAt": null,
          "updatedBy": null
        }
        "#);
    }
    let read = service.get(&format!("{CONNECTORS}/{id}")).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(read.expect(200), body);
}

#[rstest]
#[tokio::test]
async fn every_member_is_answered_as_it_was_given(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    service.put_secret("HR-Client", "s3cret-of-hr");
    let given = json!({
        "name": "Zażółć 人事 HR",
        "connectorType": "Human resources",
        "description": "Headcount\nand training hours",
        "endpointBaseUrl": "https://API.hr-system.example.com:8443/v1/",
        "authenticationType": "ApiKey",
        "authenticationSecretRef": "SecretStore:HR-Client",
        "authenticationSettings": { "queryParameter": "key" },
        "capabilities": ["pull", "push", "webhook"],
        "rateLimitPerMinute": 0,
        "maxRetryAttempts": 10,
        "retryDelaySeconds": 0.125,
        "useExponentialBackoff": false,
        "retryJitter": "None",
        "maxRetryDelaySeconds": 300,
        "attemptTimeoutSeconds": 60,
        "deadlineSeconds": 300,
        "idempotencyKeyHeader": "Idempotency-Key",
        "mappingConfiguration": {
            "recordsPath": "$.data[*]", "externalIdPath": "$.external_id",
            "mappings": [{
                "externalField": "weekly_hours", "internalField": "fullTimeEquivalent", "transform": "fte",
                "transformParams": { "standardHours": 37.50 }, "required": true,
            }],
        },
    });
    let path = service.register(&given).await;
    let read = service.get(&path).await.expect(200);
    for (name, value) in given.as_object().expect("an object") {
        assert_eq!(read[name], *value, "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn capabilities_are_a_set_answered_in_one_order_and_names_are_trimmed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let service = Service::start(engine).await;
    // "é" as "e" and a combining accent is the one character in NFC.
    let given = connector(HR, &json!({ "name": "  Cafe\u{301} HR ", "capabilities": ["webhook", "push", "pull"] }));
    let created = service.post(CONNECTORS, &given).await.expect(201);
    assert_eq!(created["name"], "Caf\u{e9} HR");
    assert_eq!(created["capabilities"], json!(["pull", "push", "webhook"]));
}

#[rstest]
#[tokio::test]
async fn members_that_only_answers_carry_are_ignored(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let carried = json!({
        "id": "not mine to choose", "version": 99, "status": "Enabled", "statusReason": 1, "statusChangedAt": null,
        "statusChangedBy": "x", "createdAt": "never", "createdBy": "mallory", "updatedAt": [], "updatedBy": {},
    });
    let created = service.post(CONNECTORS, &connector(HR, &carried)).await.expect(201);
    assert_eq!(created["version"], 1);
    assert_eq!(created["status"], "Disabled");
    assert_eq!(created["createdBy"], "local");
    assert_eq!(created["updatedBy"], Value::Null);
}

#[rstest]
#[tokio::test]
async fn what_was_read_can_be_edited_and_put_back(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "rateLimitPerMinute": 7 }))).await;
    let mut edited = service.get(&path).await.expect(200);
    edited["description"] = json!("edited");
    edited["maxRetryAttempts"] = json!(5);
    let answer = service.request("PUT", &path).header("If-Match", "\"2\"").json(&edited).send().await;
    assert_eq!(answer.header("etag"), Some("\"3\""));
    let put = answer.expect(200);
    assert_eq!((&put["description"], &put["maxRetryAttempts"]), (&json!("edited"), &json!(5)));
    assert_eq!((&put["status"], &put["rateLimitPerMinute"]), (&json!("Enabled"), &json!(7)));
    assert_eq!((&put["version"], &put["updatedBy"]), (&json!(3), &json!("local")));
    assert_eq!(service.get(&path).await.expect(200), put);
}

#[rstest]
#[tokio::test]
async fn a_replacement_is_full_and_an_equal_one_changes_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let given = connector(HR, &json!({ "description": "old", "rateLimitPerMinute": 7 }));
    let path = service.register(&given).await;
    let replaced = service.put(&path, &hr()).await.expect(200);
    assert_eq!((&replaced["description"], &replaced["rateLimitPerMinute"]), (&Value::Null, &json!(60)));
    assert_eq!(service.put(&path, &replaced).await.expect(200)["version"], 2);
    let audit = service.get(&format!("{path}/audit")).await.expect(200);
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(2));
}

#[rstest]
#[tokio::test]
async fn the_type_is_fixed_after_creation(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&hr()).await;
    let problem = service.put(&path, &connector(HR, &json!({ "connectorType": "ERP" }))).await;
    let problem = problem.problem(422, "immutable");
    assert_eq!(problem["errors"][0]["pointer"], "/connectorType");
    assert_eq!(problem["errors"][0]["code"], "immutable");
    assert_eq!(service.get(&path).await.expect(200)["version"], 1);
}

#[rstest]
#[tokio::test]
async fn a_name_is_unique_without_regard_to_case(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    service.register(&connector(HR, &json!({ "name": "Größe HR" }))).await;
    for same in ["größe hr", "GRÖSSE HR", " Größe HR "] {
        let problem = service.post(CONNECTORS, &connector(HR, &json!({ "name": same }))).await;
        let problem = problem.problem(409, "connector-name-taken");
        assert_eq!(problem["errors"][0]["pointer"], "/name");
    }
    let other = service.register(&connector(HR, &json!({ "name": "Other" }))).await;
    let taken = service.put(&other, &connector(HR, &json!({ "name": "GRÖSSE hr" }))).await;
    taken.problem(409, "connector-name-taken");
    // Its own name in another spelling is free for it.
    assert_eq!(service.put(&other, &connector(HR, &json!({ "name": "OTHER" }))).await.expect(200)["name"], "OTHER");
}

#[rstest]
#[tokio::test]
async fn of_parallel_creations_under_one_name_one_wins(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let racing: Vec<_> =
        (0..20).map(|_| tokio::spawn(service.request("POST", CONNECTORS).json(&hr()).send())).collect();
    let mut statuses = Vec::new();
    for answer in racing {
        statuses.push(answer.await.expect("an answer").status);
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[19]), (201, 409, 409));
    assert_eq!(service.items("/api/v1/audit").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_stale_if_match_is_refused_and_a_current_one_passes(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&hr()).await;
    let edited = connector(HR, &json!({ "description": "edited" }));
    for (tag, status) in [("\"1\"", 200), ("\"1\"", 412), ("W/\"2\"", 412), ("\"x\"", 412), ("2", 412)] {
        let answer = service.request("PUT", &path).header("If-Match", tag).json(&edited).send().await;
        assert_eq!(answer.status, status, "{tag}: {}", answer.text());
    }
    let stale = service.request("DELETE", &path).header("If-Match", "\"1\"").send().await;
    stale.problem(412, "precondition-failed");
    let listed = service.request("DELETE", &path).header("If-Match", "\"1\", \"2\"").send().await;
    assert_eq!((listed.status, listed.body.len()), (204, 0));
}

#[rstest]
#[tokio::test]
async fn fault_18_of_a_hundred_replacements_under_one_etag_one_wins(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&hr()).await;
    let mut racing = JoinSet::new();
    for number in 0..100 {
        let edited = connector(HR, &json!({ "description": format!("edit {number}") }));
        racing.spawn(service.request("PUT", &path).header("If-Match", "\"1\"").json(&edited).send());
    }
    let (won, lost): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 99));
    for answer in lost {
        answer.problem(412, "precondition-failed");
    }
    let current = service.get(&path).await.expect(200);
    assert_eq!((&current["version"], &current), (&json!(2), &won[0].json()));
    assert_eq!(service.items("/api/v1/audit?action=connector.updated").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn if_none_match_answers_304_while_nothing_changed(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&hr()).await;
    for tag in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = service.request("GET", &path).header("If-None-Match", tag).send().await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tag}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
    let changed = service.request("GET", &path).header("If-None-Match", "\"2\"").send().await;
    assert_eq!(changed.expect(200)["version"], 1);
}

#[rstest]
#[tokio::test]
async fn a_deployment_can_require_if_match(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::configured(engine, &[("CONNECTORS_REQUIRE_IF_MATCH", "true")]).await;
    let path = service.register(&hr()).await;
    service.put(&path, &hr()).await.problem(428, "precondition-required");
    service.delete(&path).await.problem(428, "precondition-required");
    let put = service.request("PUT", &path).header("If-Match", "\"1\"").json(&hr()).send().await;
    assert_eq!(put.status, 200);
    assert_eq!(service.request("DELETE", &path).header("If-Match", "*").send().await.status, 204);
}

#[rstest]
#[tokio::test]
async fn a_deleted_connector_is_gone_and_its_logs_its_audit_and_its_name_are_not(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|_, _| Reply::json(&json!([]))).await;
    let service = Service::start(engine).await;
    let given = upstream.connector(&json!({}));
    let path = service.register_enabled(&given).await;
    let call = json!({ "operationType": "pull", "endpoint": "/employees" });
    let log = service.execute(&path, &call).await["log"].clone();
    service.delete(&path).await.problem(409, "connector-enabled");
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    assert_eq!(service.delete(&path).await.status, 204);

    service.get(&path).await.problem(404, "connector-not-found");
    service.put(&path, &given).await.problem(404, "connector-not-found");
    service.delete(&path).await.problem(404, "connector-not-found");
    service.post(&format!("{path}/execute"), &call).await.problem(404, "connector-not-found");
    service.post_nothing(&format!("{path}/enable")).await.problem(404, "connector-not-found");
    assert_eq!(service.get(CONNECTORS).await.expect(200), json!({ "items": [], "nextCursor": null }));

    assert_eq!(service.get(&format!("{path}/logs")).await.expect(200)["items"], json!([log]));
    let audit = service.get(&format!("{path}/audit")).await.expect(200);
    assert_eq!(audit["items"][0]["action"], "connector.deleted");
    service.register(&given).await;
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_none_names_no_connector(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&hr()).await;
    let upper = path.trim_start_matches(CONNECTORS).trim_start_matches('/').to_uppercase();
    for id in ["x", "01979a2b-7c00-7000-8000-000000000001", "%2e%2e", "01979a2b", "%ff", "a%00b", &upper] {
        let path = format!("{CONNECTORS}/{id}");
        service.get(&path).await.problem(404, "connector-not-found");
        service.put(&path, &hr()).await.problem(404, "connector-not-found");
    }
}

#[rstest]
#[tokio::test]
async fn private_members_of_the_parser_are_members_like_others(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values("$serde_json::private::Number", "$serde_json::private::RawValue")] member: &str,
) {
    let service = Service::start(engine).await;
    let mapping = json!({ "mappings": [{
        "externalField": "a", "internalField": "b", "transform": "lookup", "transformParams": { "table": { member: "abc" } },
    }] });
    let created = service.post(CONNECTORS, &connector(HR, &json!({ "mappingConfiguration": mapping }))).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let path = created.header("location").expect("a location");
    for target in [path, CONNECTORS, &format!("{path}/audit"), "/api/v1/audit"] {
        let answer = service.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(answer.text().contains(&format!("{{\"{member}\":\"abc\"}}")), "{target}: {}", answer.text());
    }
}

#[rstest]
#[tokio::test]
async fn text_within_text_within_text_is_a_body_like_others(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register_enabled(&hr()).await;
    for depth in [120, 1] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let body = (0..5).fold("1".to_owned(), |text, _| {
            format!("{open}{{\"$serde_json::private::RawValue\":{}}}{close}", Value::String(text))
        });
        let call = format!("{{\"operationType\":\"fly\",\"endpoint\":\"/\",\"body\":{body}}}");
        let request = service.request("POST", &format!("{path}/execute")).header("Content-Type", "application/json");
        let answer = request.body(call).send().await;
        if depth == 1 {
            answer.problem(422, "validation-failed")
        } else {
            answer.problem(400, "malformed-json")
        };
    }
    assert_eq!(service.get(&path).await.status, 200);
}
