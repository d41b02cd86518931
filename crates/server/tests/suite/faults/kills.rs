//! Row 1: kill −9 of the service.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use super::counts::{self, KILLED};
use super::{UNLIMITED, connector};
use crate::support::exchange::Answer;
use crate::support::ledger::{Row, reconcile, rows, wait_until_all_have_ended};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

/// The calls at each kill, every other one unsafe to repeat.
const CALLS: usize = 8;

/// Within this time of a restart nothing is in progress (DU-2).
const RECOVERED: Duration = Duration::from_mins(1);

/// Calls under way, with correlation ids of their own.
fn call(service: &Service, path: &str, round: usize) -> JoinSet<(String, Option<Answer>)> {
    let mut calling = JoinSet::new();
    for number in 0..CALLS {
        let correlation = format!("kill-{round}.{number}");
        let call = match number % 2 {
            0 => json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": { "n": number } }),
            _ => json!({ "operationType": "pull", "endpoint": "/x" }),
        };
        let request = service.request("POST", &format!("{path}/execute")).header("X-Correlation-ID", &correlation);
        let sending = request.json(&call).try_send();
        calling.spawn(async move { (correlation, sending.await) });
    }
    calling
}

/// How many of a round's calls have their row.
async fn begun(service: &Service, round: usize) -> usize {
    let sql = format!("SELECT correlation_id FROM integration_logs WHERE correlation_id LIKE 'kill-{round}.%'");
    service.database().rows(&sql).await.len()
}

/// In small the lease of the killed process is made to lapse; otherwise it lapses when its time has come.
async fn kill(service: &mut Service) {
    if counts::whole() {
        service.kill_and_start_again();
    } else {
        service.kill_and_start_again_after_its_lease().await;
    }
}

/// The rows, once all calls have ended, compared with the hits; none of them took longer than it may to be given up.
async fn judge(service: &Service, upstream: &Upstream, moment: &str) -> Vec<Row> {
    let before = upstream.hits().len();
    wait_until_all_have_ended(service.database(), RECOVERED).await;
    let hits = upstream.hits();
    assert_eq!(hits.len(), before, "what was recovered was made again");
    let rows = rows(service.database()).await;
    reconcile(&hits, &rows);
    let unknown: Vec<&Row> = rows.iter().filter(|row| row.code == "outcome-unknown").collect();
    for row in &unknown {
        assert_eq!(row.status, "Failed", "{row:?}");
        assert!(row.duration < RECOVERED + Duration::from_secs(5), "{row:?}");
    }
    let latest = unknown.iter().map(|row| row.duration).max().unwrap_or_default();
    KILLED.reached(format_args!(
        "{} kills {moment} the outbound call: {} hits, {} rows, {} of them unknown, the last after {latest:?}",
        KILLED.count(),
        hits.len(),
        rows.len(),
        unknown.len(),
    ));
    rows
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_1_a_kill_before_the_outbound_call_leaves_rows_and_no_hits(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::empty().await;
    let mut service = Service::configured(engine, &UNLIMITED).await;
    // Whoever waits for a permit has its row already.
    let path = service.register_enabled(&upstream.connector(&json!({ "rateLimitPerMinute": 1 }))).await;
    for round in 0..KILLED.count() {
        let calling = call(&service, &path, round);
        while begun(&service, round).await < CALLS {
            tokio::task::yield_now().await;
        }
        kill(&mut service).await;
        calling.join_all().await;
    }
    let rows = judge(&service, &upstream, "before").await;
    assert!(rows.iter().filter(|row| row.status == "Success").count() <= upstream.hits().len());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_1_a_kill_during_the_outbound_call_leaves_it_unknown_and_never_repeats_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::start(|_, _| Reply::Hang).await;
    let mut service = Service::configured(engine, &UNLIMITED).await;
    let path = service.register_enabled(&connector(&upstream.base_url(), &json!({}))).await;
    for round in 0..KILLED.count() {
        let calling = call(&service, &path, round);
        upstream.hit_number((round + 1) * CALLS).await;
        kill(&mut service).await;
        assert!(calling.join_all().await.iter().all(|(_, answer)| answer.is_none()), "an answer came from nowhere");
    }
    let rows = judge(&service, &upstream, "during").await;
    assert_eq!((rows.len(), upstream.hits().len()), (KILLED.count() * CALLS, KILLED.count() * CALLS));
    for row in rows {
        assert_eq!((row.code.as_str(), row.attempts), ("outcome-unknown", 1), "{row:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_1_a_kill_after_the_outbound_call_loses_nothing_that_was_acknowledged(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Upstream::empty().await;
    let mut service = Service::configured(engine, &UNLIMITED).await;
    let path = service.register_enabled(&connector(&upstream.base_url(), &json!({}))).await;
    let mut acknowledged = Vec::new();
    for round in 0..KILLED.count() {
        let before = upstream.hits().len();
        let calling = call(&service, &path, round);
        // Answered are the first of them, or almost all: the outcomes are in all stages of being written.
        upstream.hit_number(before + 1 + round % CALLS).await;
        tokio::time::sleep(Duration::from_millis(u64::try_from(round % 12).expect("a few"))).await;
        kill(&mut service).await;
        let answers = calling.join_all().await.into_iter();
        acknowledged.extend(answers.filter_map(|(correlation, answer)| Some((correlation, answer?.expect(200)))));
    }
    let rows = judge(&service, &upstream, "after").await;
    for (correlation, answer) in &acknowledged {
        let row = rows.iter().find(|row| row.correlation == *correlation).expect("a row");
        assert_eq!(answer["recorded"], Value::Bool(true), "{answer:#}");
        assert_eq!((row.status.as_str(), row.attempts), ("Success", 1), "{row:?}");
    }
    assert!(rows.iter().all(|row| row.status == "Success" || row.code == "outcome-unknown"), "{rows:#?}");
}
