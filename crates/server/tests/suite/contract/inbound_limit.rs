//! RL-6: how many requests a principal may make in a minute. The store plays no part in it.

use serde_json::json;
use test_support::Engine::Sqlite;

use crate::support::Program;
use crate::support::exchange::Answer;
use crate::support::service::Service;

const CONNECTORS: &str = "/api/v1/connectors";
const LIMIT: &str = "CONNECTORS_INBOUND_LIMIT_PER_MINUTE";

/// The members of the structured header, checked to be those of the only policy.
#[track_caller]
fn standing(answer: &Answer) -> (u64, u64) {
    let value = answer.header("ratelimit").expect("RateLimit");
    let members = value.strip_prefix("\"principal\";r=").and_then(|rest| rest.split_once(";t=")).expect("r and t");
    (members.0.parse().expect("a number"), members.1.parse().expect("a number"))
}

#[tokio::test]
async fn rl_6_beyond_the_limit_a_principal_is_told_when_to_come_back() {
    let service = Service::configured(Sqlite, &[("CONNECTORS_AUTH_MODE", "api-key"), (LIMIT, "3")]).await;
    let (ana, ben) = (service.key("ana", "viewer", &[]), service.key("ben", "admin", &[]));
    // Whatever comes of a request, it counts: an answer, a refusal, a path that does not exist.
    for (target, status, remaining) in [(CONNECTORS, 200, 2), ("/api/v1/audit", 403, 1), ("/api/v1/nothing", 404, 0)] {
        let answer = service.request("GET", target).key(&ana).send().await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("ratelimit-policy"), Some("\"principal\";q=3;w=60"), "{target}");
        let (left, until_whole) = standing(&answer);
        // At most one of three comes back in the 20 s that a slow machine may take here.
        assert!(left >= remaining && until_whole <= 60, "{target}: {left} left, whole in {until_whole} s");
        assert_eq!(answer.header("retry-after"), None, "{target}");
    }
    let refused = service.request("GET", CONNECTORS).key(&ana).send().await;
    refused.problem(429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(standing(&refused), (0, wait));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"principal\";q=3;w=60"));
    // It is not looked at either.
    let body = service.request("POST", CONNECTORS).key(&ana).body("{");
    body.send().await.problem(429, "too-many-requests");

    // Others are not affected, and neither is what needs no credentials.
    let other = service.request("GET", CONNECTORS).key(&ben).send().await;
    assert_eq!((other.status, standing(&other).0), (200, 2));
    let nobody = service.get(CONNECTORS).await;
    nobody.problem(401, "unauthenticated");
    for answer in [nobody, service.get("/livez").await, service.get("/readyz").await] {
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
    }
    for _ in 0..10 {
        assert_eq!(service.get("/problems/too-many-requests").await.status, 200);
    }
}

#[tokio::test]
async fn rl_6_a_principal_that_waits_as_told_is_admitted() {
    let service = Service::configured(Sqlite, &[(LIMIT, "60")]).await;
    let mut admitted = 0;
    let refused = loop {
        let answer = service.get(CONNECTORS).await;
        if answer.status == 429 {
            break answer;
        }
        answer.expect(200);
        admitted += 1;
        assert!(admitted < 10_000, "no limit");
    };
    // The whole allowance, and what came back of it meanwhile.
    assert!(admitted >= 60, "{admitted}");
    let wait = refused.header("retry-after").expect("Retry-After").parse().expect("seconds");
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    service.get(CONNECTORS).await.expect(200);
}

#[tokio::test]
async fn rl_6_the_limit_is_600_unless_it_is_set_and_off_at_0() {
    let unset = Program::new().start(&["serve"]);
    let answer = unset.request("POST", CONNECTORS).json(&json!({})).send().await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"principal\";q=600;w=60"));
    assert!(standing(&answer).0 >= 599);

    let off = Service::configured(Sqlite, &[(LIMIT, "0")]).await;
    let answer = off.get(CONNECTORS).await;
    assert_eq!((answer.status, answer.header("ratelimit"), answer.header("ratelimit-policy")), (200, None, None));
}
