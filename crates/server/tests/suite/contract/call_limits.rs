//! How many calls and retries go out: the bounds on concurrency (RL-4), the circuit breaker (RL-5), the retry quota (RT-8).

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const NO_BREAKER: (&str, &str) = ("CONNECTORS_EXECUTION_CIRCUIT_BREAKER", "false");

/// One GET through the connector at that path; answers its log.
fn get(service: &Service, path: &str) -> impl Future<Output = Value> + Send + use<> {
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let request = service.request("POST", &format!("{path}/execute")).json(&call);
    async move { request.send().await.expect(200)["log"].take() }
}

/// So many calls, of which so many are under way at any time; answers their logs.
async fn many(service: &Service, path: &str, calls: usize, at_once: usize) -> Vec<Value> {
    let (mut running, mut logs) = (JoinSet::new(), Vec::new());
    for _ in 0..calls {
        if running.len() >= at_once {
            logs.extend(running.join_next().await.map(|log| log.expect("a log")));
        }
        running.spawn(get(service, path));
    }
    logs.extend(running.join_all().await);
    logs
}

fn count(logs: &[Value], member: &str, value: impl Into<Value>) -> usize {
    let value = value.into();
    logs.iter().filter(|log| log[member] == value).count()
}

/// A connector without a limit of its own, with these members over that.
fn unlimited(upstream: &Upstream, members: &Value) -> Value {
    let mut connector = upstream.connector(members);
    connector["rateLimitPerMinute"] = json!(0);
    connector
}

/// A service, and the path of this connector of it.
async fn with_connector(engine: Engine, variables: &[(&str, &str)], connector: &Value) -> (Service, String) {
    let service = Service::configured(engine, variables).await;
    let path = service.register_enabled(connector).await;
    (service, path)
}

#[rstest]
#[tokio::test]
async fn rt_8_a_thousand_gets_to_a_dead_upstream_are_1035_hits(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Drop).await;
    let connector = unlimited(&upstream, &json!({ "maxRetryAttempts": 2, "retryDelaySeconds": 0 }));
    let (service, path) = with_connector(engine, &[NO_BREAKER], &connector).await;
    let logs = many(&service, &path, 1_000, 25).await;
    assert_eq!(upstream.hits().len(), 1_035);
    let attempts: u64 = logs.iter().filter_map(|log| log["attemptCount"].as_u64()).sum();
    assert_eq!((attempts, count(&logs, "status", "Failed")), (1_035, 1_000));
    let refused = logs.iter().find(|log| log["errorCode"] == "retry-quota-exhausted").expect("a call without retries");
    let message = refused["errorMessage"].as_str().expect("a message");
    assert!(message.contains("no further attempt was made after: "), "{message}");
    assert_eq!((&refused["retryable"], &refused["httpStatusCode"]), (&json!(true), &Value::Null));
}

#[rstest]
#[tokio::test]
async fn rl_5_a_failing_upstream_is_left_alone_and_its_connector_stays_enabled(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::statuses(&[503]).await;
    let (service, path) = with_connector(engine, &[], &unlimited(&upstream, &json!({ "maxRetryAttempts": 0 }))).await;
    let other = Upstream::empty().await;
    let other_path = service.register_enabled(&unlimited(&other, &json!({ "name": "Another" }))).await;

    let logs = many(&service, &path, 10, 1).await;
    assert_eq!((count(&logs, "errorCode", "http-status"), upstream.hits().len()), (10, 10));
    let logs = many(&service, &path, 50, 25).await;
    assert_eq!((count(&logs, "errorCode", "circuit-open"), upstream.hits().len()), (50, 10));
    let log = &logs[0];
    assert_eq!((&log["status"], &log["attemptCount"], &log["retryable"]), (&json!("Failed"), &json!(0), &json!(true)));
    let seconds = log["retryAfterSeconds"].as_u64();
    assert!(seconds.is_some_and(|seconds| (1..=30).contains(&seconds)), "{log}");
    let page =
        service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!((&page["errorCode"], &page["attempts"]), (&json!("circuit-open"), &json!([])));

    assert_eq!(service.get(&path).await.expect(200)["status"], "Enabled");
    assert_eq!(get(&service, &other_path).await["status"], "Success", "another connector is not concerned");
}

#[rstest]
#[tokio::test]
async fn rl_5_the_breaker_can_be_switched_off(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let connector = unlimited(&upstream, &json!({ "maxRetryAttempts": 0 }));
    let (service, path) = with_connector(engine, &[NO_BREAKER], &connector).await;
    let logs = many(&service, &path, 40, 10).await;
    assert_eq!((count(&logs, "errorCode", "http-status"), upstream.hits().len()), (40, 40));
}

#[rstest]
#[tokio::test]
async fn rl_4_and_du_3_six_hundred_calls_to_a_slow_upstream_go_in_their_turn_and_slow_no_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let slow = Upstream::start(|_, _| Reply::json(&json!([])).after(Duration::from_millis(100))).await;
    let (service, path) = with_connector(engine, &[], &unlimited(&slow, &json!({}))).await;
    let quick = Upstream::empty().await;
    let quick_path = service.register_enabled(&unlimited(&quick, &json!({ "name": "Another" }))).await;

    let beside = async {
        slow.hit_number(50).await;
        let begun = Instant::now();
        let log = get(&service, &quick_path).await;
        (log["status"].clone(), begun.elapsed(), slow.hits().len())
    };
    let (logs, (status, took, hits)) = tokio::join!(many(&service, &path, 600, 600), beside);
    assert_eq!((count(&logs, "status", "Success"), slow.hits().len()), (600, 600));
    assert_eq!(slow.most_at_once(), 25);
    assert_eq!(status, "Success");
    assert!(hits < 500, "it did not wait for the others: {hits} of them were done, after {took:?}");
}

#[rstest]
#[tokio::test]
async fn rl_4_a_call_whose_turn_does_not_come_ends_at_its_deadline(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let members = json!({ "maxRetryAttempts": 0, "attemptTimeoutSeconds": 10, "deadlineSeconds": 10 });
    let limits = [
        ("CONNECTORS_EXECUTION_MAX_CONCURRENT_CALLS", "4"),
        ("CONNECTORS_EXECUTION_MAX_CONCURRENT_CALLS_PER_CONNECTOR", "2"),
    ];
    let connector = unlimited(&upstream, &members);
    let (service, path) = with_connector(engine, &limits, &connector).await;
    let mut holding = JoinSet::new();
    holding.spawn(get(&service, &path));
    holding.spawn(get(&service, &path));
    upstream.hit_number(2).await;
    // Their places stay taken for longer than the third call has.
    let mut hasty = connector;
    hasty["deadlineSeconds"] = json!(1);
    service.put(&path, &hasty).await.expect(200);
    let waited = get(&service, &path).await;
    assert_eq!((&waited["errorCode"], &waited["attemptCount"]), (&json!("deadline-exceeded"), &json!(0)), "{waited}");
    assert_eq!(upstream.hits().len(), 2);
    assert!(waited["durationMs"].as_u64() >= Some(1_000), "{waited}");
    let message = waited["errorMessage"].as_str().expect("a message");
    assert!(message.contains("2 calls at once through a connector, and 4 in all"), "{message}");
    let id = waited["id"].as_str().expect("an id");
    let page = service.get(&format!("/api/v1/connectors/logs/{id}")).await.expect(200);
    assert_eq!((&page["status"], &page["attempts"]), (&json!("Failed"), &json!([])));
}
