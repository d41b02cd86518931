//! A dependency that is away is 503 with `Retry-After`, and nothing is done by halves (DU-1, DU-4, SE-S-3).

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::TestDatabase;

use crate::support::exchange::Answer;
use crate::support::ledger::{in_progress, wait_until_all_have_ended};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream, connector};
use crate::support::wire::Wire;

const CONNECTORS: &str = "/api/v1/connectors";

/// A service whose PostgreSQL is at the end of a wire.
async fn behind_a_wire() -> (Service, Wire) {
    let database = TestDatabase::start(Postgres).await;
    let (before, rest) = database.url().split_once('@').expect("a user");
    let (server, name) = rest.split_once('/').expect("a database");
    let wire = Wire::to(server).await;
    let url = format!("{before}@{}/{name}", wire.address());
    // The program starts while this thread waits for it, and the wire must carry in the meantime.
    let service = tokio::task::block_in_place(|| Service::on(database, &[("CONNECTORS_DATABASE_URL", &url)]));
    (service, wire)
}

fn assert_away(answer: &Answer, code: &str) {
    answer.problem(503, code);
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
    assert!(!answer.text().contains("postgres"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_store_the_service_says_so_calls_nobody_and_heals() {
    let upstream = Upstream::empty().await;
    let (service, wire) = behind_a_wire().await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    wire.cut();
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let other = connector("https://api.example.com", &json!({ "name": "Other" }));
    let (execute, enable) = (format!("{path}/execute"), format!("{path}/disable"));
    let (listed, created, executed, switched, ready, live) = tokio::join!(
        service.get(CONNECTORS),
        service.post(CONNECTORS, &other),
        service.post(&execute, &call),
        service.post_nothing(&enable),
        service.get("/readyz"),
        service.get("/livez"),
    );
    for answer in [listed, created, executed, switched, ready] {
        assert_away(&answer, "store-unavailable");
    }
    assert_eq!((live.status, upstream.hits().len()), (200, 0));
    wire.mend();
    let healed = service.items(CONNECTORS).await;
    assert_eq!((healed.len(), &healed[0]["status"]), (1, &json!("Enabled")));
    assert_eq!(service.get("/readyz").await.status, 200);
    assert_eq!(service.items(&format!("{path}/logs")).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_recorded_at_once_is_recorded_later() {
    let (service, wire) = behind_a_wire().await;
    let cutting = wire.clone();
    let upstream = Upstream::start(move |_, _| {
        cutting.cut();
        Reply::json(&json!({ "ok": true }))
    })
    .await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let execution = service.execute(&path, &json!({ "operationType": "pull", "endpoint": "/x" })).await;
    assert_eq!((&execution["recorded"], &execution["log"]["status"]), (&json!(false), &json!("Success")));
    assert_eq!(execution["response"]["body"], json!({ "ok": true }));
    wire.mend();
    // Stopping waits for outcomes that are still being written.
    let (_lines, database) = tokio::task::block_in_place(|| service.stop());
    let rows = database.rows("SELECT status, attempt_count::text FROM integration_logs").await;
    assert_eq!(rows, [["Success", "1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn du_1_an_intent_that_was_kept_although_its_caller_was_told_otherwise_does_not_stay() {
    let upstream = Upstream::empty().await;
    let (service, wire) = behind_a_wire().await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    service.execute(&path, &call).await;
    wire.mute();
    assert_away(&service.post(&format!("{path}/execute"), &call).await, "store-unavailable");
    assert_eq!((in_progress(service.database()).await, upstream.hits().len()), (1, 1));
    wire.mend();
    // Nobody calls any more, and the process lives and keeps its lease.
    wait_until_all_have_ended(service.database(), Duration::from_secs(20)).await;
    assert_eq!(service.items(&format!("{path}/logs")).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn without_its_secret_store_nothing_that_needs_it_is_saved_or_sent(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    service.put_secret("K", "the value");
    let auth =
        json!({ "authenticationType": "Bearer", "authenticationSecretRef": "SecretStore:K", "rateLimitPerMinute": 0 });
    let path = service.register_enabled(&upstream.connector(&auth)).await;
    service.remove_secret_store();
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let begun = Instant::now();
    let execution = loop {
        let execution = service.execute(&path, &call).await;
        if execution["log"]["status"] == "Failed" {
            break execution;
        }
        // A value that was read counts for a second.
        assert!(begun.elapsed() < Duration::from_secs(20), "the value goes on");
    };
    let sent = upstream.hits().len();
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("secret-unavailable")));
    assert_eq!((&log["attemptCount"], &log["retryable"]), (&json!(0), &json!(true)));
    service.execute(&path, &call).await;
    assert_eq!((&execution["response"], upstream.hits().len()), (&Value::Null, sent));

    let mut other = upstream.connector(&auth);
    other["name"] = json!("Other");
    assert_away(&service.post(CONNECTORS, &other).await, "secret-store-unavailable");
    assert_away(&service.put(&path, &other).await, "secret-store-unavailable");
    assert_eq!(service.items(CONNECTORS).await.len(), 1);
}
