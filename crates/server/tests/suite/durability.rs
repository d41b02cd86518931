//! kill −9: what was acknowledged is there, and what was under way is visible (DU-1, DU-5).

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream, connector};

#[rstest]
#[tokio::test]
async fn du_1_a_call_that_is_cut_off_has_its_row_after_kill_9(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let mut service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/employees" });
    let request = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", "cut-off");
    let calling = tokio::spawn(request.json(&call).send());
    let hit = upstream.first_hit().await;
    assert_eq!(hit.header("x-correlation-id"), Some("cut-off"));
    service.kill_and_start_again();
    assert!(calling.await.is_err(), "no answer was sent");

    let logs = service.items("/api/v1/connectors/logs?status=InProgress").await;
    assert_eq!(logs.len(), 1);
    let log = &logs[0];
    assert_eq!((&log["correlationId"], &log["status"]), (&json!("cut-off"), &json!("InProgress")));
    assert_eq!((&log["endpoint"], &log["httpMethod"]), (&json!("/employees"), &json!("GET")));
    assert_eq!((&log["completedAt"], &log["durationMs"]), (&Value::Null, &Value::Null));
    assert_eq!(service.items("/api/v1/connectors/logs/by-correlation/cut-off").await, logs);
    // It was not made again.
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[tokio::test]
async fn an_attempt_that_failed_is_journaled_before_the_wait_for_the_next(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| if number == 0 { Reply::status(503) } else { Reply::Hang }).await;
    let mut service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "retryDelaySeconds": 0 }))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/employees" });
    let calling = tokio::spawn(service.request("POST", &format!("{path}/execute")).json(&call).send());
    upstream.hit_number(2).await;
    service.kill_and_start_again();
    assert!(calling.await.is_err(), "no answer was sent");
    let log = service.items(&format!("{path}/logs")).await[0].clone();
    let page = service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await;
    let page = page.expect(200);
    assert_eq!(page["status"], "InProgress");
    assert_eq!((&page["attempts"][0]["number"], &page["attempts"][0]["httpStatusCode"]), (&json!(1), &json!(503)));
}

#[rstest]
#[tokio::test]
async fn du_5_nothing_acknowledged_is_lost_after_kill_9(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let mut service = Service::start(engine).await;
    let mut acknowledged: Vec<Value> = Vec::new();
    let mut changes = 0;
    for round in 0..3 {
        for number in 0..5 {
            let given = connector(&upstream.base_url(), &json!({ "name": format!("connector {round}.{number}") }));
            let path = service.register(&given).await;
            let edited = connector(&upstream.base_url(), &json!({ "name": given["name"], "maxRetryAttempts": number }));
            service.put(&path, &edited).await.expect(200);
            acknowledged.push(service.post_nothing(&format!("{path}/enable")).await.expect(200));
            // Replacing three retries by three is no change.
            changes += if number == 3 { 2 } else { 3 };
        }
        let last = acknowledged.last().expect("a connector")["id"].as_str().expect("an id").to_owned();
        let call = json!({ "operationType": "pull", "endpoint": "/x" });
        let log = service.execute(&format!("/api/v1/connectors/{last}"), &call).await["log"].clone();
        service.kill_and_start_again();

        assert_eq!(service.items("/api/v1/connectors?limit=200").await, acknowledged, "round {round}");
        assert_eq!(service.items(&format!("/api/v1/connectors/{last}/logs")).await, [log], "round {round}");
        let audit = service.items("/api/v1/audit?limit=200").await;
        let sequences: Vec<_> = audit.iter().filter_map(|entry| entry["sequence"].as_u64()).collect();
        let expected: Vec<u64> = (1..=changes).rev().collect();
        assert_eq!(sequences, expected, "round {round}");
    }
}
