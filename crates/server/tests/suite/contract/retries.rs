//! Attempts and the waits between them (RT-1 to RT-11), seen from outside.

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

fn get() -> Value {
    json!({ "operationType": "pull", "endpoint": "/x" })
}

fn post() -> Value {
    json!({ "operationType": "push", "endpoint": "/x", "body": { "reading": 1 } })
}

/// A service, and the path of a connector of it that retries at once but for these members.
async fn with_connector(engine: Engine, upstream: &Upstream, members: Value) -> (Service, String) {
    let service = Service::start(engine).await;
    let mut connector = upstream.connector(&json!({ "retryDelaySeconds": 0 }));
    for (name, value) in members.as_object().expect("an object") {
        connector[name] = value.clone();
    }
    let path = service.register_enabled(&connector).await;
    (service, path)
}

/// The page of a call's log.
async fn page(service: &Service, execution: &Value) -> Value {
    let id = execution["log"]["id"].as_str().expect("an id");
    service.get(&format!("/api/v1/connectors/logs/{id}")).await.expect(200)
}

fn members(page: &Value, name: &str) -> Vec<Value> {
    page["attempts"].as_array().expect("attempts").iter().map(|attempt| attempt[name].clone()).collect()
}

#[rstest]
#[tokio::test]
async fn an_upstream_that_comes_back_is_a_success_with_two_retries_at_the_times_of_the_policy(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::statuses(&[503, 503, 200]).await;
    let policy = json!({ "retryDelaySeconds": 0.2, "retryJitter": "None", "useExponentialBackoff": true });
    let (service, path) = with_connector(engine, &upstream, policy).await;
    let execution = service.execute(&path, &get()).await;
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["httpStatusCode"]), (&json!("Success"), &json!(200)));
    assert_eq!((&log["retryAttempts"], &log["attemptCount"]), (&json!(2), &json!(3)));
    assert_eq!((&log["errorCode"], &log["retryable"]), (&Value::Null, &Value::Null));

    let page = page(&service, &execution).await;
    assert_eq!(members(&page, "number"), [json!(1), json!(2), json!(3)]);
    assert_eq!(members(&page, "httpStatusCode"), [json!(503), json!(503), json!(200)]);
    assert_eq!(members(&page, "errorCode"), [json!("http-status"), json!("http-status"), Value::Null]);
    assert_eq!(members(&page, "waitReason"), [Value::Null, json!("backoff"), json!("backoff")]);
    let waited: Vec<u64> = members(&page, "waitedMs").iter().filter_map(Value::as_u64).collect();
    assert!(waited[0] == 0 && waited[1] >= 200 && waited[2] >= 400, "{waited:?}");
    assert!(log["durationMs"].as_u64() >= Some(600), "{log}");
    assert_eq!(upstream.hits().len(), 3);
}

#[rstest]
#[tokio::test]
async fn without_back_off_the_wait_stays_the_same(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[500, 502, 504, 200]).await;
    let policy = json!({ "retryDelaySeconds": 0.1, "retryJitter": "None", "useExponentialBackoff": false });
    let (service, path) = with_connector(engine, &upstream, policy).await;
    let execution = service.execute(&path, &get()).await;
    assert_eq!((&execution["log"]["status"], &execution["log"]["retryAttempts"]), (&json!("Success"), &json!(3)));
    let page = page(&service, &execution).await;
    let waited: Vec<u64> = members(&page, "waitedMs").iter().filter_map(Value::as_u64).collect();
    assert!(waited[0] == 0 && waited[1..].iter().all(|waited| *waited >= 100), "{waited:?}");
}

#[rstest]
#[tokio::test]
async fn the_retries_of_the_policy_are_the_most(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let (service, path) = with_connector(engine, &upstream, json!({ "maxRetryAttempts": 2 })).await;
    let execution = service.execute(&path, &get()).await;
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("http-status")));
    assert_eq!((&log["attemptCount"], &log["retryable"]), (&json!(3), &json!(true)));
    assert_eq!(execution["response"]["statusCode"], 503);
    let none = json!({ "name": "No retries", "maxRetryAttempts": 0 });
    let single = service.register_enabled(&upstream.connector(&none)).await;
    assert_eq!(service.execute(&single, &get()).await["log"]["attemptCount"], 1);
    assert_eq!(upstream.hits().len(), 4);
}

#[rstest]
#[tokio::test]
async fn an_unauthorised_call_is_made_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[401, 200]).await;
    let (service, path) = with_connector(engine, &upstream, json!({})).await;
    let execution = service.execute(&path, &get()).await;
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("http-status")));
    assert_eq!((&log["httpStatusCode"], &log["attemptCount"]), (&json!(401), &json!(1)));
    assert_eq!(page(&service, &execution).await["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_dropped_connection_is_retried_as_often_as_the_policy_says(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Drop).await;
    let (service, path) = with_connector(engine, &upstream, json!({ "maxRetryAttempts": 2 })).await;
    let execution = service.execute(&path, &get()).await;
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("connection-reset")));
    assert_eq!((&log["attemptCount"], &log["httpStatusCode"]), (&json!(3), &Value::Null));
    assert_eq!(execution["response"], Value::Null);
    let page = page(&service, &execution).await;
    assert_eq!(members(&page, "errorCode"), vec![json!("connection-reset"); 3]);
    assert_eq!(upstream.hits().len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_post_that_may_have_been_received_is_sent_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| if number % 2 == 0 { Reply::Drop } else { Reply::status(503) }).await;
    let (service, path) = with_connector(engine, &upstream, json!({})).await;
    for (hits, code) in [(1, "connection-reset"), (2, "http-status")] {
        let log = service.execute(&path, &post()).await["log"].clone();
        assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!(code)));
        assert_eq!((&log["attemptCount"], upstream.hits().len()), (&json!(1), hits));
    }
}

#[rstest]
#[tokio::test]
async fn an_idempotency_key_makes_a_post_repeatable_with_one_key_per_call(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503, 200]).await;
    let (service, path) = with_connector(engine, &upstream, json!({ "idempotencyKeyHeader": "Idempotency-Key" })).await;
    assert_eq!(service.execute(&path, &post()).await["log"]["attemptCount"], 2);
    assert_eq!(service.execute(&path, &post()).await["log"]["attemptCount"], 1);
    let keys: Vec<String> =
        upstream.hits().iter().map(|hit| hit.header("idempotency-key").expect("a key").to_owned()).collect();
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[rstest]
#[tokio::test]
async fn a_refused_connection_was_never_sent_so_that_a_post_is_retried(#[values(Sqlite, Postgres)] engine: Engine) {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let upstream = Upstream::empty().await;
    let members = json!({ "endpointBaseUrl": base_url, "maxRetryAttempts": 1 });
    let (service, path) = with_connector(engine, &upstream, members).await;
    let log = service.execute(&path, &post()).await["log"].clone();
    assert_eq!((&log["errorCode"], &log["attemptCount"]), (&json!("connect-refused"), &json!(2)));
}

#[rstest]
#[tokio::test]
async fn retry_after_is_waited_for_and_throttling_waits_a_second(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| match number {
        0 => Reply::with("503 Busy", &[("Retry-After", "1")], ""),
        1 => Reply::status(429),
        _ => Reply::json(&json!([])),
    })
    .await;
    let (service, path) = with_connector(engine, &upstream, json!({})).await;
    let execution = service.execute(&path, &get()).await;
    assert_eq!((&execution["log"]["status"], &execution["log"]["attemptCount"]), (&json!("Success"), &json!(3)));
    let page = page(&service, &execution).await;
    assert_eq!(members(&page, "waitReason"), [Value::Null, json!("retry-after"), json!("throttled")]);
    let waited: Vec<u64> = members(&page, "waitedMs").iter().filter_map(Value::as_u64).collect();
    assert!(waited[1] >= 1_000 && waited[2] >= 1_000, "{waited:?}");
}

#[rstest]
#[tokio::test]
async fn a_retry_after_beyond_the_deadline_ends_the_call_and_is_kept(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::with("429 Slow down", &[("Retry-After", "3600")], "")).await;
    let (service, path) = with_connector(engine, &upstream, json!({})).await;
    let log = service.execute(&path, &get()).await["log"].clone();
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("retry-after-too-long")));
    assert_eq!((&log["retryAfterSeconds"], &log["attemptCount"]), (&json!(3_600), &json!(1)));
    assert_eq!((&log["httpStatusCode"], &log["retryable"]), (&json!(429), &json!(true)));
}

#[rstest]
#[tokio::test]
async fn a_wait_that_the_deadline_does_not_leave_is_not_begun(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let policy = json!({ "retryDelaySeconds": 30, "retryJitter": "None", "deadlineSeconds": 20 });
    let (service, path) = with_connector(engine, &upstream, policy).await;
    let log = service.execute(&path, &get()).await["log"].clone();
    assert_eq!((&log["errorCode"], &log["attemptCount"]), (&json!("deadline-exceeded"), &json!(1)));
    assert!(log["durationMs"].as_u64() < Some(20_000), "{log}");
}

#[rstest]
#[tokio::test]
async fn the_deadline_ends_a_call_and_the_attempts_time_an_attempt(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let (service, path) = with_connector(engine, &upstream, json!({ "deadlineSeconds": 1 })).await;
    let ended = service.execute(&path, &get()).await;
    assert_eq!(ended["log"]["errorCode"], "deadline-exceeded");
    assert_eq!(ended["log"]["attemptCount"], 1);
    assert!(ended["log"]["durationMs"].as_u64() >= Some(1_000), "{ended}");

    let impatient =
        json!({ "name": "Impatient", "attemptTimeoutSeconds": 1, "maxRetryAttempts": 1, "retryDelaySeconds": 0 });
    let path = service.register_enabled(&upstream.connector(&impatient)).await;
    let retried = service.execute(&path, &get()).await;
    assert_eq!((&retried["log"]["errorCode"], &retried["log"]["attemptCount"]), (&json!("attempt-timeout"), &json!(2)));
    assert_eq!(members(&page(&service, &retried).await, "errorCode"), vec![json!("attempt-timeout"); 2]);
}

#[rstest]
#[tokio::test]
async fn no_attempt_starts_after_a_disabling(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let policy = json!({ "retryDelaySeconds": 2, "retryJitter": "None" });
    let (service, path) = with_connector(engine, &upstream, policy).await;
    let calling = tokio::spawn(service.request("POST", &format!("{path}/execute")).json(&get()).send());
    upstream.first_hit().await;
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    let execution = calling.await.expect("an answer").expect(200);
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("connector-disabled")));
    assert_eq!((&log["attemptCount"], upstream.hits().len()), (&json!(1), 1));
}

#[rstest]
#[tokio::test]
async fn a_call_is_finished_and_recorded_when_its_caller_has_gone(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503, 200]).await;
    let policy = json!({ "retryDelaySeconds": 1, "retryJitter": "None" });
    let (service, path) = with_connector(engine, &upstream, policy).await;
    let request = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", "gone");
    let calling = tokio::spawn(request.json(&get()).send());
    upstream.first_hit().await;
    calling.abort();
    upstream.hit_number(2).await;
    // Stopping waits for calls under way.
    let (log, database) = service.stop();
    let rows = database.rows("SELECT status FROM integration_logs WHERE correlation_id = 'gone'").await;
    assert_eq!(rows, [["Success"]], "{log:#?}");
}
