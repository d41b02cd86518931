//! Failed log-ins are throttled and seen (SE-A-4).

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::IdentityProvider;

use crate::support::Program;
use crate::support::exchange::Answer;
use crate::support::service::Service;

const CONNECTORS: &str = "/api/v1/connectors";
const LIMIT: &str = "CONNECTORS_FAILED_LOGINS_PER_MINUTE";

async fn list(service: &Service, credential: &str) -> Answer {
    service.request("GET", CONNECTORS).key(credential).send().await
}

/// A key that was never made.
fn guess(number: usize) -> String {
    format!("esgc_{number:064x}")
}

fn events<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["security_event"] == event).collect()
}

#[rstest]
#[tokio::test]
async fn se_a_4_a_guesser_is_throttled_and_those_behind_the_same_address_go_on(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let provider = IdentityProvider::start().await;
    let issuer = provider.issuer();
    // One attempt a minute comes back, so that none does while the test runs on a busy machine.
    let variables = [
        ("CONNECTORS_AUTH_MODE", "api-key+oidc"),
        ("CONNECTORS_AUTH_ISSUER", issuer.as_str()),
        ("CONNECTORS_AUTH_AUDIENCE", IdentityProvider::AUDIENCE),
        (LIMIT, "1"),
    ];
    let service = Service::configured(engine, &variables).await;
    let (known, fresh) = (service.key("known", "viewer", &[]), service.key("fresh", "viewer", &[]));
    let token = provider.token(&json!({}));
    list(&service, &known).await.expect(200);
    list(&service, &token).await.expect(200);
    // Who presents nothing does not guess.
    for _ in 0..10 {
        service.get(CONNECTORS).await.problem(401, "unauthenticated");
    }
    let mut throttled = None;
    for number in 0..10 {
        let answer = list(&service, &guess(number)).await;
        if answer.status == 429 {
            throttled = Some((number, answer));
            break;
        }
        answer.problem(401, "unauthenticated");
    }
    let (admitted, answer) = throttled.expect("a throttled attempt");
    assert!(admitted >= 1, "{admitted}");
    answer.problem(429, "too-many-failed-logins");
    let wait: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(answer.header("www-authenticate"), None);

    // Those that are known to be good pass, also ones that were never seen here but prove themselves.
    list(&service, &known).await.expect(200);
    list(&service, &provider.token(&json!({ "sub": "ben" }))).await.expect(200);
    let fetches = provider.key_fetches();
    for bad in [guess(99), fresh.clone(), "nonsense".to_owned(), provider.forgeries().swap_remove(0).token] {
        list(&service, &bad).await.problem(429, "too-many-failed-logins");
    }
    let basic = service.request("GET", CONNECTORS).header("Authorization", "Basic cm9vdDpyb290").send().await;
    basic.problem(429, "too-many-failed-logins");
    assert_eq!(provider.key_fetches(), fetches);
    // What needs no credentials needs none now.
    service.get(CONNECTORS).await.problem(401, "unauthenticated");
    assert_eq!(service.get("/readyz").await.status, 200);
    // A key that was good is looked up all the same.
    service.run(&["keys", "revoke", "known"]);
    list(&service, &known).await.problem(429, "too-many-failed-logins");

    let (lines, _database) = service.stop();
    let told = events(&lines, "log-ins-throttled");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((&told[0]["level"], &told[0]["source"]), (&json!("WARN"), &json!("127.0.0.1")));
    assert_eq!(events(&lines, "credentials-refused").len(), admitted);
    let log = json!(lines).to_string();
    assert!(!log.contains(&guess(0)) && !log.contains(&fresh) && !log.contains(&known));
}

#[tokio::test]
async fn se_a_4_one_who_waits_as_told_may_try_again() {
    let service = Service::configured(Sqlite, &[("CONNECTORS_AUTH_MODE", "api-key"), (LIMIT, "60")]).await;
    let fresh = service.key("fresh", "viewer", &[]);
    let mut attempts = 0;
    let wait = loop {
        let answer = list(&service, &guess(attempts)).await;
        if answer.status == 429 {
            break answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
        }
        attempts += 1;
        assert!(attempts < 10_000, "no limit");
    };
    assert!(attempts >= 60, "{attempts}");
    assert_eq!(wait, 1);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    list(&service, &fresh).await.expect(200);
}

#[tokio::test]
async fn se_a_4_the_limit_is_20_unless_it_is_set_and_off_at_0() {
    let program = Program::new().with("CONNECTORS_AUTH_MODE", "api-key");
    let unset = program.start(&["serve"]);
    let mut admitted = 0;
    let refused = loop {
        let answer = unset.request("GET", CONNECTORS).key(&guess(admitted)).send().await;
        if answer.status != 401 {
            break answer;
        }
        admitted += 1;
        assert!(admitted < 1_000, "no limit");
    };
    refused.problem(429, "too-many-failed-logins");
    assert!(admitted >= 20, "{admitted}");
    let off = Service::configured(Sqlite, &[("CONNECTORS_AUTH_MODE", "api-key"), (LIMIT, "0")]).await;
    for number in 0..100 {
        list(&off, &guess(number)).await.problem(401, "unauthenticated");
    }
    let (lines, _database) = off.stop();
    assert_eq!(events(&lines, "credentials-refused").len(), 100);
}
