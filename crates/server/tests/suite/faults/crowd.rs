//! Very many calls at once: fault 17.

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use super::counting::{Answer, Counting, EMPTY_LIST};
use super::counts::CROWD;
use super::{UNLIMITED, connector, memory};
use crate::support::service::Service;

const CONNECTORS: usize = 20;

const MOST: u64 = 1 << 30;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_17_a_crowd_of_calls_is_answered_every_one(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Counting::start(|_| Answer::Whole(EMPTY_LIST)).await;
    let quiet = ("CONNECTORS_LOG_LEVEL", "error,connectors::commands::serve=info");
    let service = Service::configured(engine, &[UNLIMITED[0], UNLIMITED[1], quiet]).await;
    let mut paths = Vec::new();
    for number in 0..CONNECTORS {
        let members = json!({ "name": format!("connector {number}") });
        paths.push(service.register_enabled(&connector(&upstream.base_url(), &members)).await);
    }
    let (calls, call) = (CROWD.count(), json!({ "operationType": "pull", "endpoint": "/x" }));
    memory::forget_peak(service.process());
    let mut executing = JoinSet::new();
    for path in paths.iter().cycle().take(calls) {
        executing.spawn(service.request("POST", &format!("{path}/execute")).json(&call).send());
    }
    let answers = executing.join_all().await;
    let peak = memory::peak(service.process());
    let others: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(others.is_empty(), "{} of {calls} were refused, such as {}", others.len(), others[0].text());
    let failed = answers.iter().map(|answer| answer.json()["log"].take()).find(|log| log["status"] != "Success");
    assert_eq!(failed, None);
    assert_eq!(upstream.hits(), calls);
    assert!(peak <= MOST, "{peak} bytes");
    let under_way = service.database().rows("SELECT id FROM integration_logs WHERE status = 'InProgress'").await;
    assert!(under_way.is_empty(), "{under_way:?}");
    CROWD.reached(format_args!("{calls} calls at once on {engine:?}, all successes, {} MiB at most", peak >> 20));
}
