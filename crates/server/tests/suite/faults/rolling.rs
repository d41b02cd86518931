//! Row 3, and the end of a busy replica (DU-6).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::counts::ROLLED;
use super::{UNLIMITED, connector};
use crate::support::exchange::Request;
use crate::support::ledger::{in_progress, reconcile, rows};
use crate::support::program::Running;
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const CALLERS: usize = 6;

/// How often a balancer asks who is ready.
const PROBES: Duration = Duration::from_millis(200);

/// What a balancer has in front of its callers.
#[derive(Default)]
struct Balancer {
    known: Mutex<Vec<SocketAddr>>,
    ready: Mutex<Vec<SocketAddr>>,
}

impl Balancer {
    fn add(&self, replica: &Running) {
        self.known.lock().expect("not poisoned").push(replica.address);
    }

    fn remove(&self, address: SocketAddr) {
        self.known.lock().expect("not poisoned").retain(|known| *known != address);
    }

    async fn probe(&self) {
        let known = self.known.lock().expect("not poisoned").clone();
        let mut ready = Vec::new();
        for address in known {
            let probe = Request::new(address, "GET", "/readyz").try_send().await;
            if probe.is_some_and(|answer| answer.status == 200) {
                ready.push(address);
            }
        }
        *self.ready.lock().expect("not poisoned") = ready;
    }

    /// One of those that were ready when they were asked last.
    fn pick(&self, number: usize) -> SocketAddr {
        let ready = self.ready.lock().expect("not poisoned");
        ready[number % ready.len()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_3_a_rolling_restart_fails_no_request() {
    let upstream =
        Upstream::start(|_, number| Reply::json(&json!([])).after(Duration::from_millis([5, 50, 300][number % 3])))
            .await;
    let service = Service::configured(Postgres, &UNLIMITED).await;
    let path = service.register_enabled(&connector(&upstream.base_url(), &json!({ "maxRetryAttempts": 0 }))).await;
    let mut replicas: Vec<Running> = (0..3).map(|_| service.replica()).collect();
    let balancer = Arc::<Balancer>::default();
    for replica in &replicas {
        balancer.add(replica);
    }
    balancer.probe().await;

    let stop = CancellationToken::new();
    let probing = Arc::clone(&balancer);
    let probes = tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            probing.probe().await;
            tokio::time::sleep(PROBES).await;
        }
    }));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (balancer, stop, target) = (Arc::clone(&balancer), stop.clone(), format!("{path}/execute"));
        callers.spawn(async move {
            let mut answered = 0;
            while !stop.is_cancelled() {
                let request = Request::new(balancer.pick(caller + answered), "POST", &target);
                let correlation = format!("roll-{caller}.{answered}");
                let call = json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": {} });
                let answer = request.header("X-Correlation-ID", &correlation).json(&call).send().await.expect(200);
                assert_eq!((&answer["log"]["status"], &answer["recorded"]), (&json!("Success"), &json!(true)));
                answered += 1;
            }
            answered
        });
    }
    for _ in 0..ROLLED.count() {
        for replica in &mut replicas {
            let next = service.replica();
            balancer.add(&next);
            let old = std::mem::replace(replica, next);
            let address = old.address;
            old.signal("TERM");
            let (status, log) = old.wait();
            assert_eq!(status.code(), Some(0), "{log:#?}");
            balancer.remove(address);
        }
    }
    stop.cancel();
    let answered: usize = callers.join_all().await.into_iter().sum();
    probes.await.expect("probes");
    let rows = rows(service.database()).await;
    assert_eq!(rows.len(), answered);
    assert!(reconcile(&upstream.hits(), &rows).values().all(|hits| *hits == 1));
    ROLLED.reached(format_args!("{} replicas replaced, {answered} requests, none failed", 3 * ROLLED.count()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn du_6_sigterm_finishes_what_is_under_way_cancels_waits_and_releases_the_lease(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|hit, _| {
        let waits = hit.request_line().contains("/waits");
        if waits { Reply::status(503) } else { Reply::json(&json!([])).after(Duration::from_secs(3)) }
    })
    .await;
    let service = Service::configured(engine, &UNLIMITED).await;
    let members = json!({ "retryDelaySeconds": 60, "retryJitter": "None", "deadlineSeconds": 300 });
    let path = service.register_enabled(&connector(&upstream.base_url(), &members)).await;
    let mut replica = service.replica();
    let mut calling = JoinSet::new();
    for number in 0..2 * CALLERS {
        let endpoint = if number % 2 == 0 { "/waits" } else { "/finishes" };
        let call = json!({ "operationType": "pull", "endpoint": endpoint });
        let sending = replica.request("POST", &format!("{path}/execute")).json(&call).send();
        calling.spawn(async move { (endpoint, sending.await.expect(200)) });
    }
    upstream.hit_number(2 * CALLERS).await;
    let signalled = Instant::now();
    replica.signal("TERM");
    replica.wait_for_line("ending");
    assert_eq!(replica.request("GET", "/readyz").send().await.status, 503, "it has notice to give");
    assert_eq!(replica.request("GET", "/livez").send().await.status, 200);
    for (endpoint, execution) in calling.join_all().await {
        let log = &execution["log"];
        let expected =
            if endpoint == "/waits" { (json!("Failed"), json!("cancelled")) } else { (json!("Success"), json!(null)) };
        assert_eq!((&log["status"], &log["errorCode"]), (&expected.0, &expected.1), "{execution:#}");
        assert_eq!(execution["recorded"], true, "{execution:#}");
    }
    let (status, log) = replica.wait();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(signalled.elapsed() < Duration::from_secs(15), "{:?}", signalled.elapsed());
    assert_eq!(in_progress(service.database()).await, 0);
    assert_eq!(upstream.hits().len(), 2 * CALLERS);
    // The lease of the replica was the only one, and nobody has to wait until it lapses.
    let now = match engine {
        Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    };
    let sql = format!("SELECT CAST(valid_until_ms <= {now} AS TEXT) FROM leases");
    let lapsed = service.database().rows(&sql).await;
    assert!(lapsed == [["1"]] || lapsed == [["true"]], "{lapsed:?}");
}
