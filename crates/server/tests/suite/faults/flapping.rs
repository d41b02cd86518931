//! An upstream that is up and down: fault 12.

use std::time::Duration;

use serde_json::{Value, json};

use super::counts::FLAPPING;
use super::{connector, execute_all};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};
use test_support::Engine::Sqlite;

/// The attempts after which the breaker judges.
const LEAST: usize = 10;

/// The most attempts that may find out whether the upstream is well again.
const PROBES: usize = 3;

fn refused(logs: &[Value]) -> usize {
    logs.iter().filter(|execution| execution["log"]["errorCode"] == "circuit-open").count()
}

/// Every third answer is bad, so that no opening ends well: each one is probed, and followed by another.
#[tokio::test]
async fn fault_12_a_flapping_upstream_gets_three_probes_at_most_per_opening() {
    let upstream = Upstream::start(|_, number| {
        let well = number >= LEAST && !(number - LEAST).is_multiple_of(PROBES);
        Reply::status(if well { 204 } else { 503 }).after(Duration::from_millis(200))
    })
    .await;
    let service = Service::configured(Sqlite, &[("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0")]).await;
    let path = service.register_enabled(&connector(&upstream.base_url(), &json!({ "maxRetryAttempts": 0 }))).await;
    let call = json!({ "operationType": "pull", "endpoint": "/x" });
    let together = vec![(path.as_str(), &call); 25];

    execute_all(&service, &together[..LEAST]).await;
    assert_eq!(upstream.hits().len(), LEAST);
    let (openings, mut most) = (FLAPPING.count(), 0);
    for _ in 0..openings {
        let before = upstream.hits().len();
        let log = service.execute(&path, &call).await["log"].take();
        assert_eq!(log["errorCode"], "circuit-open", "{log}");
        let seconds = log["retryAfterSeconds"].as_u64().expect("how long it is open");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        // All at once, so that those that are no probes come while the probes are out, and after them.
        let logs = execute_all(&service, &together).await;
        let probes = upstream.hits().len() - before;
        assert!((1..=PROBES).contains(&probes), "{probes} probes");
        assert_eq!(refused(&logs), together.len() - probes);
        most = most.max(probes);
    }
    let before = upstream.hits().len();
    assert_eq!(refused(&execute_all(&service, &together).await), together.len(), "it is open again");
    assert_eq!(upstream.hits().len(), before);
    assert_eq!(service.get(&path).await.expect(200)["status"], "Enabled");
    FLAPPING.reached(format_args!("{openings} openings were probed, {most} times at most each"));
}
