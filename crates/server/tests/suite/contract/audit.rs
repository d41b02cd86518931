//! The audit trail: an entry for every change, and for nothing else.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::shape::{is_time, shape};
use crate::support::upstream::connector;

const AUDIT: &str = "/api/v1/audit";
const HR: &str = "https://api.hr-system.example.com/v1";

/// A service in which one connector was registered, changed, enabled, disabled and deleted, each under an id of its
/// own, and another one registered; and the path of the first.
async fn with_history(engine: Engine) -> (Service, String) {
    let service = Service::start(engine).await;
    service.put_secret("HR-Key", "the value");
    let path = service.register(&connector(HR, &json!({}))).await;
    let changed = connector(
        HR,
        &json!({
            "maxRetryAttempts": 5, "authenticationType": "Bearer", "authenticationSecretRef": "SecretStore:HR-Key",
        }),
    );
    let put = service.request("PUT", &path).header("X-Correlation-ID", "change-1").json(&changed);
    put.send().await.expect(200);
    for (act, reason) in [("enable", "go-live"), ("disable", "key rotation")] {
        let request = service.request("POST", &format!("{path}/{act}")).header("X-Correlation-ID", &format!("{act}-1"));
        request.json(&json!({ "reason": reason })).send().await.expect(200);
    }
    let deleting = service.request("DELETE", &path).header("X-Correlation-ID", "delete-1").send().await;
    assert_eq!(deleting.status, 204);
    service.register(&connector(HR, &json!({ "name": "Other" }))).await;
    (service, path)
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["action"].as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn every_change_has_one_entry_in_a_sequence_without_gaps(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, path) = with_history(engine).await;
    let all = service.items(AUDIT).await;
    let sequences: Vec<_> = all.iter().filter_map(|entry| entry["sequence"].as_u64()).collect();
    assert_eq!(sequences, [6, 5, 4, 3, 2, 1]);
    for pair in all.windows(2) {
        assert_eq!(pair[0]["previousHash"], pair[1]["hash"]);
    }
    assert!(all.iter().all(|entry| entry["at"].as_str().is_some_and(is_time)));
    let own = service.items(&format!("{path}/audit")).await;
    assert_eq!(
        actions(&own),
        ["connector.deleted", "connector.disabled", "connector.enabled", "connector.updated", "connector.created",]
    );
    let id = path.rsplit('/').next().expect("an id");
    for entry in own {
        assert_eq!((&entry["connectorId"], &entry["subject"]), (&json!(id), &json!(format!("connectors/{id}"))));
    }
    service.get("/api/v1/connectors/x/audit").await.problem(404, "connector-not-found");
}

#[rstest]
#[tokio::test]
async fn a_change_is_told_member_by_member_with_secrets_as_references(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, _) = with_history(engine).await;
    let entries = service.items(&format!("{AUDIT}?action=connector.updated")).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(shape(&entries[0]), @r#"
        {
          "sequence": 2,
          "at": "[time]",
          "actor": "local",
          "actorType": "Local",
          "action": "connector.updated",
          "subject": "connectors/[id]",
          "connectorId": "[id]",
          "reason": null,
          "changes": [
            {
              "pointer": "/authenticationType",
              "before": "None",
              "after": "Bearer"
            },
            {
              "pointer": "/authenticationSecretRef",
              "before": null,
              "after": "SecretStore:HR-Key"
            },
            {
              "pointer": "/maxRetryAttempts",
              "before": 3,
              "after": 5
            }
          ],
          "correlationId": "change-1",
          "sourceAddress": "127.0.0.1",
          "previousHash": "[hash]",
          "hash": "[hash]"
        }
        "#);
    }
    let switched = service.items(&format!("{AUDIT}?correlationId=disable-1")).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(shape(&switched[0]), @r#"
        {
          "sequence": 4,
          "at": "[time]",
          "actor": "local",
          "actorType": "Local",
          "action": "connector.disabled",
          "subject": "connectors/[id]",
          "connectorId": "[id]",
          "reason": "key rotation",
          "changes": [
            {
              "pointer": "/status",
              "before": "Enabled",
              "after": "Disabled"
            },
            {
              "pointer": "/statusReason",
              "before": "go-live",
              "after": "key rotation"
            }
          ],
          "correlationId": "disable-1",
          "sourceAddress": "127.0.0.1",
          "previousHash": "[hash]",
          "hash": "[hash]"
        }
        "#);
    }
}

#[rstest]
#[tokio::test]
async fn every_filter_narrows(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, path) = with_history(engine).await;
    let entries = service.items(AUDIT).await;
    let third = entries[3]["at"].as_str().expect("a time");
    for (query, expected) in [
        ("action=connector.created".to_owned(), 2),
        ("action=key.created".to_owned(), 0),
        ("actor=local".to_owned(), 6),
        ("actor=Local".to_owned(), 0),
        ("correlationId=change-1".to_owned(), 1),
        ("correlationId=another".to_owned(), 0),
        (format!("from={third}"), 4),
        (format!("to={third}"), 2),
        (format!("from={third}&action=connector.created&actor=local"), 1),
    ] {
        assert_eq!(service.items(&format!("{AUDIT}?{query}")).await.len(), expected, "{query}");
    }
    assert_eq!(service.items(&format!("{path}/audit?action=connector.created")).await.len(), 1);
    for (query, pointer) in [
        ("actor=", "/actor"),
        ("from=now", "/from"),
        ("correlationId=a%20b", "/correlationId"),
        ("connectorId=x", "/connectorId"),
        ("limit=none", "/limit"),
    ] {
        assert_eq!(service.get(&format!("{AUDIT}?{query}")).await.pointers(), [pointer], "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn the_trail_is_read_page_by_page(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, path) = with_history(engine).await;
    let page = service.get(&format!("{path}/audit?limit=3")).await.expect(200);
    assert_eq!(actions(page["items"].as_array().expect("items"))[2], "connector.enabled");
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    let rest = service.get(&format!("{path}/audit?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!(actions(rest["items"].as_array().expect("items")), ["connector.updated", "connector.created"]);
    assert_eq!(rest["nextCursor"], Value::Null);
    // It is bound to its list: the trail of all connectors is another one.
    assert_eq!(service.get(&format!("{AUDIT}?cursor={cursor}")).await.pointers(), ["/cursor"]);
}

#[rstest]
#[tokio::test]
async fn what_was_refused_leaves_no_entry(#[values(Sqlite, Postgres)] engine: Engine) {
    let service = Service::start(engine).await;
    let path = service.register(&connector(HR, &json!({}))).await;
    service.post("/api/v1/connectors", &connector(HR, &json!({}))).await.problem(409, "connector-name-taken");
    service.put(&path, &json!({})).await.problem(422, "validation-failed");
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    service.delete(&path).await.problem(409, "connector-enabled");
    assert_eq!(actions(&service.items(AUDIT).await), ["connector.enabled", "connector.created"]);
}
