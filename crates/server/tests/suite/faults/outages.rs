//! Rows 4 and 5: the database is away before a call, and between its request and its outcome. An embedded database
//! cannot be.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use test_support::{PostgresServer, TestDatabase};
use tokio::task::JoinSet;

use super::counts::{self, AWAY_AFTER, AWAY_BEFORE};
use super::{UNLIMITED, connector};
use crate::support::ledger::{Row, reconcile, rows, wait_until_all_have_ended};
use crate::support::service::{LAPSE, Service};
use crate::support::upstream::{Reply, Upstream};

/// How soon a caller learns that the store is away.
const TOLD: Duration = Duration::from_secs(5);

/// How soon the service is well again after its store is.
const HEALED: Duration = Duration::from_secs(10);

fn call() -> Value {
    json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": {} })
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_4_without_its_database_the_service_calls_nobody_says_so_in_time_and_heals() {
    let mut server = PostgresServer::start();
    let service = Service::on(TestDatabase::on(&server).await, &UNLIMITED);
    let upstream = Upstream::empty().await;
    let path = service.register_enabled(&connector(&upstream.base_url(), &json!({}))).await;
    let execute = format!("{path}/execute");
    let (mut told, mut healed) = (Duration::ZERO, Duration::ZERO);
    for round in 1..=AWAY_BEFORE.count() {
        service.execute(&path, &call()).await;
        let before = upstream.hits().len();
        if round % 2 == 1 {
            server.stop();
        } else {
            server.crash();
        }
        let since = Instant::now();
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let sending = service.request("POST", &execute).json(&call()).send();
            asking.spawn(async move { (sending.await, since.elapsed()) });
        }
        let (live, ready) = tokio::join!(service.get("/livez"), service.get("/readyz"));
        assert_eq!((live.status, ready.status), (200, 503));
        for (answer, elapsed) in asking.join_all().await {
            answer.problem(503, "store-unavailable");
            assert!(elapsed <= TOLD, "{elapsed:?}");
            told = told.max(elapsed);
        }
        assert_eq!(upstream.hits().len(), before, "something went out");
        server.start_again();
        let since = Instant::now();
        while service.get("/readyz").await.status != 200 {
            assert!(since.elapsed() < HEALED, "it is not ready");
        }
        let answer = service.post(&execute, &call()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        healed = healed.max(since.elapsed());
        assert!(healed <= HEALED, "{healed:?}");
    }
    wait_until_all_have_ended(service.database(), HEALED).await;
    reconcile(&upstream.hits(), &rows(service.database()).await);
    AWAY_BEFORE.reached(format_args!(
        "{} outages, 8 calls each: 503 after {told:?} at most, 0 hits, healed after {healed:?} at most",
        AWAY_BEFORE.count(),
    ));
}

/// What becomes of calls whose answers come while the database is away.
struct Outage {
    server: PostgresServer,
    service: Service,
    upstream: Upstream,
}

impl Outage {
    /// Makes calls, stops the database between their hits and their answers, and reads what their callers are told.
    async fn begin() -> Self {
        let mut server = PostgresServer::start();
        let service = Service::on(TestDatabase::on(&server).await, &UNLIMITED);
        let upstream = Upstream::start(|_, _| Reply::json(&json!([])).after(Duration::from_secs(2))).await;
        let path = service.register_enabled(&connector(&upstream.base_url(), &json!({}))).await;
        let mut calling = JoinSet::new();
        for _ in 0..AWAY_AFTER.count() {
            calling.spawn(service.request("POST", &format!("{path}/execute")).json(&call()).send());
        }
        upstream.hit_number(AWAY_AFTER.count()).await;
        server.stop();
        for answer in calling.join_all().await {
            let execution = answer.expect(200);
            assert_eq!(execution["log"]["status"], "Success", "{execution:#}");
            assert_eq!(execution["recorded"], false, "{execution:#}");
        }
        Self { server, service, upstream }
    }

    /// Starts the database again, and waits until the log has an end for every call.
    async fn end(mut self) -> Vec<Row> {
        self.server.start_again();
        wait_until_all_have_ended(self.service.database(), Duration::from_secs(20)).await;
        let rows = rows(self.service.database()).await;
        assert_eq!(rows.len(), AWAY_AFTER.count());
        assert!(reconcile(&self.upstream.hits(), &rows).values().all(|hits| *hits == 1));
        rows
    }
}

/// In small, one that ends at once.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_5_an_outcome_outlives_a_short_outage_of_the_database(#[values(5, 20)] seconds: u64) {
    let begun = Instant::now();
    let outage = Outage::begin().await;
    if counts::whole() {
        tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed())).await;
    }
    let lasted = begun.elapsed();
    for row in outage.end().await {
        assert_eq!((row.status.as_str(), row.attempts), ("Success", 1), "{row:?}");
    }
    AWAY_AFTER.reached(format_args!("{} calls, database away for {lasted:?}: all Success", AWAY_AFTER.count()));
}

/// In small, the lease is made to lapse where the service does not see it.
#[tokio::test(flavor = "multi_thread")]
async fn fault_5_an_outcome_that_comes_after_its_lease_is_unknown() {
    let begun = Instant::now();
    let mut outage = Outage::begin().await;
    if counts::whole() {
        tokio::time::sleep(Duration::from_mins(2).saturating_sub(begun.elapsed())).await;
    } else {
        let database = outage.service.database().url().rsplit_once('/').expect("a URL with a database").1.to_owned();
        let lapse = async |url: &str| {
            let (server, _) = url.rsplit_once('/').expect("a URL with a database");
            TestDatabase::execute_at(&format!("{server}/{database}"), LAPSE).await;
        };
        outage.server.aside(lapse).await;
    }
    let lasted = begun.elapsed();
    for row in outage.end().await {
        assert_eq!((row.status.as_str(), row.code.as_str()), ("Failed", "outcome-unknown"), "{row:?}");
    }
    AWAY_AFTER.reached(format_args!("{} calls, database away for {lasted:?}: all unknown", AWAY_AFTER.count()));
}
