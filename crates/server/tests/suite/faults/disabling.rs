//! A connector that is disabled while a call waits for its next attempt: fault 19.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use super::counts::DISABLED;
use super::{UNLIMITED, connector};
use crate::support::exchange::Request;
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

/// How many connectors are disabled at once.
const TOGETHER: usize = 20;

/// Far longer than disabling takes, so that no attempt is on the wire while it does.
const BACK_OFF: u64 = 4;

/// On PostgreSQL one replica makes the calls and another disables. Each connector is disabled somewhere in the first
/// second of the back-off.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_connector_that_is_disabled_during_the_back_off_sends_nothing_more(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|_, _| Reply::status(503)).await;
    let service = Service::configured(engine, &UNLIMITED).await;
    let replica = (engine == Postgres).then(|| service.replica());
    let calling_at = replica.as_ref().map_or(service.address(), |replica| replica.address);
    let mut paths = Vec::new();
    for number in 0..TOGETHER {
        let members = json!({
            "name": format!("connector {number}"), "maxRetryAttempts": 10, "retryDelaySeconds": BACK_OFF,
            "useExponentialBackoff": false, "retryJitter": "None", "deadlineSeconds": 60,
        });
        paths.push(service.register(&connector(&upstream.base_url(), &members)).await);
    }
    let rounds = DISABLED.count();
    for round in 1..=rounds {
        let mut calling = JoinSet::new();
        for path in &paths {
            service.post_nothing(&format!("{path}/enable")).await.expect(200);
            let call = json!({ "operationType": "pull", "endpoint": "/x" });
            let executing = Request::new(calling_at, "POST", &format!("{path}/execute")).json(&call).send();
            calling.spawn(async move { executing.await.expect(200)["log"].take() });
        }
        upstream.hit_number(round * TOGETHER).await;
        let mut disabling = JoinSet::new();
        for (number, path) in (0..).zip(&paths) {
            let disable = service.request("POST", &format!("{path}/disable")).send();
            disabling.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number * 50)).await;
                disable.await.expect(200);
            });
        }
        disabling.join_all().await;
        let answered = upstream.hits().len();
        for log in calling.join_all().await {
            assert_eq!((&log["status"], &log["errorCode"]), (&json!("Failed"), &json!("connector-disabled")), "{log}");
            assert_eq!(log["attemptCount"], 1, "{log}");
        }
        assert_eq!((upstream.hits().len(), answered), (round * TOGETHER, round * TOGETHER), "round {round}");
    }
    DISABLED.reached(format_args!("{} connectors disabled on {engine:?}, 0 hits after the answer", rounds * TOGETHER));
}
