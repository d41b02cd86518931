//! How connectors fare: `GET /api/v1/connectors/stats`.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const STATS: &str = "/api/v1/connectors/stats";

/// Three calls that succeed, of which the second one needs two attempts, and a 404, all through one connector, which is
/// then disabled and skips a call; beside it another connector, through which none goes.
async fn with_calls(engine: Engine) -> (Service, Vec<Value>) {
    let upstream = Upstream::start(|hit, number| match hit.request_line() {
        line if line.contains("/missing") => Reply::status(404),
        _ if number == 1 => Reply::status(503),
        line if line.contains("/slow") => Reply::json(&json!([])).after(Duration::from_millis(120)),
        _ => Reply::json(&json!([])),
    })
    .await;
    let service = Service::start(engine).await;
    service.register(&upstream.connector(&json!({ "name": "quiet" }))).await;
    let busy = upstream.connector(&json!({ "name": "Busy", "retryDelaySeconds": 0 }));
    let path = service.register_enabled(&busy).await;
    let mut logs = Vec::new();
    for endpoint in ["/a", "/slow", "/b", "/missing"] {
        logs.push(call(&service, &path, endpoint).await);
    }
    service.post_nothing(&format!("{path}/disable")).await.expect(200);
    logs.push(call(&service, &path, "/c").await);
    (service, logs)
}

async fn call(service: &Service, path: &str, endpoint: &str) -> Value {
    let call = json!({ "operationType": "pull", "endpoint": endpoint });
    service.execute(path, &call).await["log"].take()
}

async fn of(service: &Service, name: &str) -> Value {
    let found = service.get(STATS).await.expect(200);
    let items = found["items"].as_array().expect("items");
    items.iter().find(|item| item["connectorName"] == name).expect("the connector").clone()
}

#[rstest]
#[tokio::test]
async fn calls_are_counted_by_connector_status_and_time(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, logs) = with_calls(engine).await;
    let found = service.get(&format!("{STATS}?window=24h")).await.expect(200);
    assert_eq!(found["bucketSeconds"], 3600);
    let items = found["items"].as_array().expect("items");
    let names: Vec<_> = items.iter().map(|item| item["connectorName"].as_str().expect("a name")).collect();
    assert_eq!(names, ["Busy", "quiet"]);
    let (busy, quiet) = (&items[0], &items[1]);
    assert_eq!(busy["connectorId"], logs[0]["connectorId"]);
    let by_status = json!({ "InProgress": 0, "Success": 3, "Failed": 1, "Skipped": 1 });
    assert_eq!((&busy["calls"], &busy["callsByStatus"]), (&json!(5), &by_status));
    assert_eq!(
        (&busy["successRate"], &busy["attempts"], &busy["attemptsPerCall"]),
        (&json!(0.75), &json!(5), &json!(1.25))
    );
    assert_eq!((&busy["circuit"], &busy["retryQuotaLeft"]), (&json!("Closed"), &json!(500)));
    let error = json!({
        "logId": logs[3]["id"],
        "correlationId": logs[3]["correlationId"],
        "startedAt": logs[3]["startedAt"],
        "errorCode": "http-status",
        "errorMessage": "the upstream answered 404",
        "httpStatusCode": 404,
    });
    assert_eq!(busy["lastError"], error);
    // An hour may have ended between the calls.
    let buckets = busy["buckets"].as_array().expect("buckets");
    let sum = |count: fn(&Value) -> Option<u64>| buckets.iter().filter_map(count).sum::<u64>();
    assert_eq!((sum(|bucket| bucket["calls"].as_u64()), sum(|bucket| bucket["attempts"].as_u64())), (5, 5));
    assert!((1..=2).contains(&buckets.len()), "{busy:#}");

    let nothing = json!({
        "connectorId": quiet["connectorId"],
        "connectorName": "quiet",
        "circuit": "Closed",
        "retryQuotaLeft": 500,
        "calls": 0,
        "callsByStatus": { "InProgress": 0, "Success": 0, "Failed": 0, "Skipped": 0 },
        "successRate": null,
        "p50Ms": null,
        "p95Ms": null,
        "p99Ms": null,
        "attempts": 0,
        "attemptsPerCall": null,
        "lastError": null,
        "buckets": [],
    });
    assert_eq!(quiet, &nothing);
}

#[rstest]
#[tokio::test]
async fn percentiles_are_within_five_percent_of_the_durations(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, logs) = with_calls(engine).await;
    let mut durations: Vec<u64> = logs[..4].iter().filter_map(|log| log["durationMs"].as_u64()).collect();
    durations.sort_unstable();
    let busy = of(&service, "Busy").await;
    for (member, exact) in [("p50Ms", durations[1]), ("p95Ms", durations[3]), ("p99Ms", durations[3])] {
        let found = busy[member].as_u64().expect("a duration");
        assert!(found.abs_diff(exact) * 20 <= exact, "{member}: {found} for {exact} of {durations:?}");
    }
}

#[rstest]
#[tokio::test]
async fn calls_before_the_window_do_not_count(#[values(Sqlite, Postgres)] engine: Engine) {
    let (service, _) = with_calls(engine).await;
    let earlier = match engine {
        Sqlite => {
            "UPDATE integration_logs SET started_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-2 hours') WHERE status = 'Failed'"
        }
        Postgres => "UPDATE integration_logs SET started_at = now() - interval '2 hours' WHERE status = 'Failed'",
    };
    service.behind_its_back(earlier).await;
    for (window, calls, seconds) in [("1m", 4, 60), ("15m", 4, 60), ("1h", 4, 300), ("3h", 5, 900), ("7d", 5, 21_600)] {
        let found = service.get(&format!("{STATS}?window={window}")).await.expect(200);
        let busy = &found["items"][0];
        assert_eq!((&found["bucketSeconds"], &busy["calls"]), (&json!(seconds), &json!(calls)), "{window}");
        assert_eq!(busy["lastError"].is_null(), calls == 4, "{window}");
    }
    for wrong in ["", "0m", "32d", "24", "24H", "1w", "-1h", "1.5h", "24h&window=1h"] {
        let answer = service.get(&format!("{STATS}?window={wrong}")).await;
        assert_eq!(answer.pointers(), ["/window"], "{wrong}");
    }
    assert_eq!(service.get(&format!("{STATS}?limit=5")).await.pointers(), ["/limit"]);
}

#[rstest]
#[tokio::test]
async fn co_5_a_service_sees_the_statistics_of_its_connectors_only(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let service = Service::with_keys(engine).await;
    let admin = service.key("ana", "admin", &[]);
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let created = service.request("POST", "/api/v1/connectors").key(&admin);
        let created = created.json(&upstream.connector(&json!({ "name": name }))).send().await.expect(201);
        ids.push(created["id"].as_str().expect("an id").to_owned());
    }
    let key = service.key("etl", "service", &[&ids[1]]);
    for (key, expected) in [(&admin, vec![&ids[0], &ids[1]]), (&key, vec![&ids[1]])] {
        let found = service.request("GET", STATS).key(key).send().await.expect(200);
        let items = found["items"].as_array().expect("items").iter();
        let seen: Vec<_> = items.map(|item| item["connectorId"].as_str().expect("an id")).collect();
        assert_eq!(seen, expected);
    }
}

#[rstest]
#[tokio::test]
async fn rl_5_statistics_show_an_open_breaker_and_a_used_quota(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::statuses(&[503]).await;
    let members = json!({ "name": "Down", "rateLimitPerMinute": 0, "maxRetryAttempts": 1, "retryDelaySeconds": 0 });
    let service = Service::start(engine).await;
    let path = service.register_enabled(&upstream.connector(&members)).await;
    for _ in 0..6 {
        call(&service, &path, "/x").await;
    }
    // Ten attempts opened it; each of the five retries among them cost 14.
    let down = of(&service, "Down").await;
    assert_eq!((&down["circuit"], &down["retryQuotaLeft"]), (&json!("Open"), &json!(500 - 5 * 14)));
    assert_eq!(down["lastError"]["errorCode"], "circuit-open");

    let without = Service::configured(engine, &[("CONNECTORS_EXECUTION_CIRCUIT_BREAKER", "false")]).await;
    without.register(&upstream.connector(&members)).await;
    assert_eq!(of(&without, "Down").await["circuit"], Value::Null);
}
