//! `Idempotency-Key`: the same key of the same principal with the same body has its effect once, and is answered as it
//! was the first time.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use crate::support::exchange::{Answer, Request};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const CONNECTORS: &str = "/api/v1/connectors";

fn keyed(service: &Service, target: &str, key: &str, body: &Value) -> Request {
    service.request("POST", target).header("Idempotency-Key", key).json(body)
}

async fn post(service: &Service, target: &str, key: &str, body: &Value) -> Answer {
    keyed(service, target, key, body).send().await
}

fn pull() -> Value {
    json!({ "operationType": "pull", "endpoint": "/employees" })
}

fn push(number: u32) -> Value {
    json!({ "operationType": "push", "endpoint": "/orders", "body": { "number": number } })
}

/// Asserts that `again` is the answer that `first` was, given once more.
#[track_caller]
fn assert_replayed(first: &Answer, again: &Answer) {
    assert_eq!((again.status, again.text()), (first.status, first.text()));
    for name in ["content-type", "location", "etag", "x-integration-status"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_ne!(again.correlation_id(), first.correlation_id(), "every request has its own");
}

#[rstest]
#[tokio::test]
async fn idempotency_a_repeated_registration_is_answered_as_the_first(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let mut service = Service::start(engine).await;
    let connector = upstream.connector(&json!({}));
    let first = post(&service, CONNECTORS, "order 17/2026", &connector).await;
    let registered = first.expect(201);
    assert_replayed(&first, &post(&service, CONNECTORS, "order 17/2026", &connector).await);

    // What has become of the connector since does not matter, nor does a restart.
    let path = first.header("location").expect("Location").to_owned();
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    service.kill_and_start_again();
    let repeated = keyed(&service, CONNECTORS, "order 17/2026", &connector).header("X-Correlation-ID", "again");
    let repeated = repeated.send().await;
    assert_replayed(&first, &repeated);
    assert_eq!(repeated.correlation_id(), "again");

    assert_eq!(service.items(CONNECTORS).await.len(), 1);
    let audit = service.items("/api/v1/audit?action=connector.created").await;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0]["connectorId"], registered["id"]);
}

#[rstest]
#[tokio::test]
async fn idempotency_a_repeated_call_is_not_made_again(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|hit, number| match hit.request_line() {
        line if line.contains("/orders") => Reply::json(&json!({ "number": number, "text": "é".repeat(100_000) })),
        _ => Reply::status(500),
    })
    .await;
    let mut service = Service::start(engine).await;
    let members = json!({ "maxRetryAttempts": 0 });
    let path = service.register_enabled(&upstream.connector(&members)).await;
    let execute = format!("{path}/execute");

    // A success, and a failure; both are answers.
    let pushed = post(&service, &execute, "push-1", &push(1)).await;
    assert_eq!(pushed.expect(200)["log"]["status"], "Success");
    assert_eq!(pushed.header("x-integration-status"), Some("Success"));
    let failed = post(&service, &execute, "pull-1", &pull()).await;
    assert_eq!(failed.expect(200)["log"]["errorCode"], "http-status");
    assert_eq!(upstream.hits().len(), 2);
    service.kill_and_start_again();
    assert_replayed(&pushed, &post(&service, &execute, "push-1", &push(1)).await);
    assert_replayed(&failed, &post(&service, &execute, "pull-1", &pull()).await);
    // Another key is another call.
    let other = post(&service, &execute, "push-2", &push(1)).await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (200, None));

    // So is one that was skipped, also when the connector is enabled again, and when it is gone.
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    let skipped = post(&service, &execute, "push-3", &push(3)).await;
    assert_eq!(skipped.header("x-integration-status"), Some("Skipped"));
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    assert_replayed(&skipped, &post(&service, &execute, "push-3", &push(3)).await);
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    assert_eq!(service.delete(&path).await.status, 204);
    assert_replayed(&pushed, &post(&service, &execute, "push-1", &push(1)).await);
    post(&service, &execute, "push-4", &push(4)).await.problem(404, "connector-not-found");

    assert_eq!(upstream.hits().len(), 3);
    assert_eq!(service.items(&format!("{path}/logs")).await.len(), 4);
}

#[rstest]
#[tokio::test]
async fn idempotency_a_key_stands_for_one_path_and_body(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({ "name": "One" }))).await;
    let other = service.register_enabled(&upstream.connector(&json!({ "name": "Two" }))).await;
    let first = post(&service, &format!("{path}/execute"), "k", &push(1)).await;
    first.expect(200);
    let spaced = service.request("POST", &format!("{path}/execute")).header("Idempotency-Key", "k");
    let spaced = spaced.header("Content-Type", "application/json").body(format!("{} ", push(1))).send();
    for reused in [
        post(&service, &format!("{path}/execute"), "k", &push(2)).await,
        post(&service, &format!("{other}/execute"), "k", &push(1)).await,
        post(&service, CONNECTORS, "k", &upstream.connector(&json!({ "name": "Three" }))).await,
        // Every byte counts.
        spaced.await,
    ] {
        reused.problem(422, "idempotency-key-reused");
    }
    assert_eq!(upstream.hits().len(), 1);
    assert_eq!(service.items(CONNECTORS).await.len(), 2);
    assert_replayed(&first, &post(&service, &format!("{path}/execute"), "k", &push(1)).await);
}

#[rstest]
#[tokio::test]
async fn idempotency_a_request_without_effect_leaves_its_key_free(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let mut invalid = upstream.connector(&json!({}));
    invalid["maxRetryAttempts"] = json!(11);
    assert_eq!(post(&service, CONNECTORS, "k", &invalid).await.pointers(), ["/maxRetryAttempts"]);
    let created = post(&service, CONNECTORS, "k", &upstream.connector(&json!({}))).await;
    created.expect(201);
    // The name is taken, and its request asks again when it is free.
    let same = upstream.connector(&json!({ "description": "another" }));
    post(&service, CONNECTORS, "l", &same).await.problem(409, "connector-name-taken");
    assert_eq!(service.delete(created.header("location").expect("Location")).await.status, 204);
    let path = post(&service, CONNECTORS, "l", &same).await;
    path.expect(201);
    let execute = format!("{}/execute", path.header("location").expect("Location"));
    assert_eq!(post(&service, &execute, "m", &json!({ "operationType": "pull" })).await.pointers(), ["/endpoint"]);
    post(&service, &execute, "m", &pull()).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn idempotency_a_key_that_is_none_is_400_and_nothing_is_done(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let execute = format!("{path}/execute");
    let connector = upstream.connector(&json!({ "name": "Two" }));
    for (target, body) in [(CONNECTORS, &connector), (execute.as_str(), &pull())] {
        for bad in ["", " ", &"k".repeat(256), "a\tb", "klucz-żółw"] {
            let problem = post(&service, target, bad, body).await.problem(400, "malformed-request");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains("Idempotency-Key") && detail.contains("255"), "{detail}");
            assert!(bad.trim().is_empty() || !detail.contains(bad), "{detail}");
        }
        let twice = keyed(&service, target, "a", body).header("Idempotency-Key", "a").send().await;
        twice.problem(400, "malformed-request");
    }
    assert_eq!((upstream.hits().len(), service.items(CONNECTORS).await.len()), (0, 1));
    post(&service, &execute, &"~".repeat(255), &pull()).await.expect(200);
    // Other operations do not know the header, and ignore it.
    assert_eq!(post(&service, &format!("{path}/disable"), "", &json!({})).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn idempotency_keys_of_different_principals_have_nothing_to_do_with_each_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::empty().await;
    let service = Service::with_keys(engine).await;
    let (ana, ben) = (service.key("ana", "admin", &[]), service.key("ben", "admin", &[]));
    let created = keyed(&service, CONNECTORS, "k", &upstream.connector(&json!({}))).key(&ana).send().await;
    created.expect(201);
    let execute = format!("{}/execute", created.header("location").expect("Location"));
    // Ben's has not been used, so it stands for his own request.
    let of_ben = keyed(&service, &execute, "k", &pull()).key(&ben).send().await;
    assert_eq!(of_ben.expect(200)["log"]["initiatedBy"], "ben");
    keyed(&service, &execute, "k", &pull()).key(&ana).send().await.problem(422, "idempotency-key-reused");
    assert_replayed(&of_ben, &keyed(&service, &execute, "k", &pull()).key(&ben).send().await);

    // What a key was allowed when it asked first is no leave for what it is not allowed now.
    let scoped = service.key("importer", "service", &[created.expect(201)["id"].as_str().expect("an id")]);
    keyed(&service, &execute, "k", &pull()).key(&scoped).send().await.expect(200);
    service.run(&["keys", "revoke", "importer"]);
    let rebound = keyed(&service, CONNECTORS, "l", &upstream.connector(&json!({ "name": "Two" }))).key(&ana).send();
    let other = rebound.await.expect(201)["id"].as_str().expect("an id").to_owned();
    let rebound = service.key("importer", "service", &[&other]);
    let hidden = keyed(&service, &execute, "k", &pull()).key(&rebound).send().await;
    hidden.problem(404, "connector-not-found");
}

#[rstest]
#[tokio::test]
async fn idempotency_a_request_under_way_is_409(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let service = Service::start(engine).await;
    let members = json!({ "attemptTimeoutSeconds": 2, "maxRetryAttempts": 0 });
    let path = service.register_enabled(&upstream.connector(&members)).await;
    let execute = format!("{path}/execute");
    let calling = tokio::spawn(keyed(&service, &execute, "k", &push(1)).send());
    upstream.first_hit().await;
    let meanwhile = post(&service, &execute, "k", &push(1)).await;
    meanwhile.problem(409, "idempotency-key-in-flight");
    assert_eq!(meanwhile.header("retry-after"), Some("2"));
    post(&service, &execute, "k", &push(2)).await.problem(422, "idempotency-key-reused");

    let first = calling.await.expect("an answer");
    assert_eq!(first.expect(200)["log"]["errorCode"], "attempt-timeout");
    assert_replayed(&first, &post(&service, &execute, "k", &push(1)).await);
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[tokio::test]
async fn idempotency_a_call_that_was_cut_off_is_told_from_its_record_and_not_made_again(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let mut service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&json!({}))).await;
    let execute = format!("{path}/execute");
    let calling = tokio::spawn(keyed(&service, &execute, "k", &push(1)).send());
    upstream.first_hit().await;
    service.kill_and_start_again();
    assert!(calling.await.is_err(), "no answer was sent");
    // Nobody knows yet that its process is gone.
    post(&service, &execute, "k", &push(1)).await.problem(409, "idempotency-key-in-flight");

    service.behind_its_back("UPDATE leases SET valid_until_ms = 0").await;
    let told = loop {
        let answer = post(&service, &execute, "k", &push(1)).await;
        if answer.status != 409 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let execution = told.expect(200);
    assert_eq!(told.header("idempotency-replayed"), Some("true"));
    assert_eq!(told.header("x-integration-status"), Some("Failed"));
    let log = &execution["log"];
    assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("outcome-unknown")));
    assert_eq!((&execution["response"], &execution["mapping"]), (&Value::Null, &Value::Null));
    assert_eq!(execution["recorded"], true);
    assert_eq!(service.items(&format!("{path}/logs")).await, std::slice::from_ref(log));
    assert_eq!(upstream.hits().len(), 1);
}

#[rstest]
#[tokio::test]
async fn fault_18_a_hundred_posts_with_one_key_have_one_effect(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::start(engine).await;
    let connector = upstream.connector(&json!({}));
    let answers = hundred(&service, CONNECTORS, &connector).await;
    let id = only_effect(&answers, 201)["id"].clone();
    let connectors = service.items(CONNECTORS).await;
    assert_eq!((connectors.len(), &connectors[0]["id"]), (1, &id));
    assert_eq!(service.items("/api/v1/audit").await.len(), 1);

    let path = format!("{CONNECTORS}/{}", id.as_str().expect("an id"));
    service.post_nothing(&format!("{path}/enable")).await.expect(200);
    let answers = hundred(&service, &format!("{path}/execute"), &push(1)).await;
    let log = only_effect(&answers, 200)["log"].clone();
    assert_eq!(service.items(&format!("{path}/logs")).await, [log]);
    assert_eq!(upstream.hits().len(), 1);
}

async fn hundred(service: &Service, target: &str, body: &Value) -> Vec<Answer> {
    let mut posts = JoinSet::new();
    for _ in 0..100 {
        posts.spawn(keyed(service, target, &format!("one {}", target.len()), body).send());
    }
    posts.join_all().await
}

/// Asserts that all answers are one and the same, given once and otherwise replayed, or say that it is under way.
#[track_caller]
fn only_effect(answers: &[Answer], status: u16) -> Value {
    let (given, under_way): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status != 409);
    for answer in under_way {
        answer.problem(409, "idempotency-key-in-flight");
    }
    let first = given.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(first, 1, "of {} answers", given.len());
    let effect = given[0].expect(status);
    for answer in given {
        assert_eq!(answer.expect(status), effect);
    }
    effect
}
