//! Limits and pauses of connectors, over replicas on one store (RL-1 to RL-3, RT-7; faults 11 and 16).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use crate::support::program::{Program, Running};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

fn call() -> Value {
    json!({ "operationType": "pull", "endpoint": "/x" })
}

/// One more process on the service's database.
fn replica(service: &Service) -> (Program, Running) {
    let program = Program::new()
        .with("CONNECTORS_DATABASE_URL", service.database_url())
        .with("CONNECTORS_ALLOW_HTTP", "true")
        .with("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.0/8");
    let running = program.start(&["serve"]);
    (program, running)
}

/// How many calls ended so: by error code, a success by `Success`.
fn tally(logs: &[Value]) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for log in logs {
        let code = log["errorCode"].as_str().or(log["status"].as_str()).expect("an end");
        *tally.entry(code.to_owned()).or_default() += 1;
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_16_three_replicas_let_no_more_go_than_the_limit() {
    let upstream = Upstream::empty().await;
    let service = Service::start(Postgres).await;
    let others = [replica(&service), replica(&service)];
    let path = service.register_enabled(&upstream.connector(&json!({ "rateLimitPerMinute": 20 }))).await;
    let target = format!("{path}/execute");
    let mut calls = JoinSet::new();
    for number in 0..45 {
        let request = match number % 3 {
            0 => service.request("POST", &target),
            replica => others[replica - 1].1.request("POST", &target),
        };
        calls.spawn(async move { request.json(&call()).send().await.expect(200)["log"].clone() });
    }
    let logs: Vec<Value> = calls.join_all().await;
    let expected = HashMap::from([("Success".to_owned(), 20), ("rate-limited".to_owned(), 25)]);
    assert_eq!(tally(&logs), expected);
    assert_eq!(upstream.hits().len(), 20);
    for log in logs.iter().filter(|log| log["errorCode"] == "rate-limited") {
        assert_eq!((&log["attemptCount"], &log["retryable"]), (&json!(0), &json!(true)));
        let seconds = log["retryAfterSeconds"].as_f64().expect("a time");
        assert!((40.0..61.0).contains(&seconds), "{log}");
        assert!(log["durationMs"].as_u64() >= Some(5_000), "{log}");
    }
    drop(others);
}

#[rstest]
#[tokio::test]
async fn rl_1_a_limit_that_is_raised_is_in_force_within_two_seconds(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let limited = |limit: u32| upstream.connector(&json!({ "rateLimitPerMinute": limit }));
    let path = service.register_enabled(&limited(1)).await;
    assert_eq!(service.execute(&path, &call()).await["log"]["status"], "Success");
    let waiting = tokio::spawn(service.request("POST", &format!("{path}/execute")).json(&call()).send());
    service.put(&path, &limited(2)).await.expect(200);
    let raised = Instant::now();
    let execution = waiting.await.expect("an answer").expect(200);
    assert!(raised.elapsed() < Duration::from_secs(2), "{:?}", raised.elapsed());
    assert_eq!(execution["log"]["status"], "Success");
    assert_eq!(upstream.hits().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_11_a_pause_that_one_replica_was_asked_for_holds_for_the_others_until_an_enabling() {
    let upstream = Upstream::start(|_, number| match number {
        0 => Reply::with("429 Slow down", &[("Retry-After", "600")], ""),
        _ => Reply::json(&json!([])),
    })
    .await;
    let service = Service::start(Postgres).await;
    let (_program, other) = replica(&service);
    let path = service.register_enabled(&upstream.connector(&json!({ "rateLimitPerMinute": 60 }))).await;
    let throttled = service.execute(&path, &call()).await["log"].clone();
    assert_eq!(
        (&throttled["errorCode"], &throttled["retryAfterSeconds"]),
        (&json!("retry-after-too-long"), &json!(600))
    );

    let target = format!("{path}/execute");
    let paused = other.request("POST", &target).json(&call()).send().await.expect(200)["log"].clone();
    assert_eq!((&paused["errorCode"], &paused["attemptCount"]), (&json!("rate-limited"), &json!(0)));
    let seconds = paused["retryAfterSeconds"].as_f64().expect("a time");
    assert!((500.0..600.0).contains(&seconds), "{paused}");
    assert_eq!(upstream.hits().len(), 1);

    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    let through = other.request("POST", &target).json(&call()).send().await.expect(200);
    assert_eq!((&through["log"]["status"], upstream.hits().len()), (&json!("Success"), 2));
}

#[rstest]
#[tokio::test]
async fn rt_7_calls_wait_for_the_end_of_a_short_pause(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| match number {
        0 => Reply::with("503 Busy", &[("Retry-After", "2")], ""),
        _ => Reply::json(&json!([])),
    })
    .await;
    let service = Service::start(engine).await;
    let given = upstream.connector(&json!({ "rateLimitPerMinute": 60, "maxRetryAttempts": 0 }));
    let path = service.register_enabled(&given).await;
    assert_eq!(service.execute(&path, &call()).await["log"]["httpStatusCode"], 503);
    let log = service.execute(&path, &call()).await["log"].clone();
    assert_eq!(log["status"], "Success");
    let page =
        service.get(&format!("/api/v1/connectors/logs/{}", log["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(page["attempts"][0]["waitReason"], "paused");
}
