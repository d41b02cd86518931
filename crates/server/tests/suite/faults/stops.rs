//! Row 2: a process that was stopped for longer than its lease, and goes on.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};

use super::counts::STOPPED;
use super::{UNLIMITED, connector};
use crate::support::ledger::{reconcile, rows, wait_until_all_have_ended};
use crate::support::service::{LAPSE, Service};
use crate::support::upstream::{Reply, Upstream};

const CALLS: usize = 6;

/// In small the lease is made to lapse while the process is stopped; otherwise it is stopped for as long as it takes.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_2_a_process_that_was_stopped_writes_nothing_over_what_was_recovered(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let answer = || Reply::json(&json!({ "ok": true })).after(Duration::from_secs(1));
    let upstream = Upstream::start(move |_, _| answer()).await;
    let service = Service::configured(engine, &UNLIMITED).await;
    let members = json!({ "attemptTimeoutSeconds": 60, "deadlineSeconds": 300 });
    let path = service.register_enabled(&connector(&upstream.base_url(), &members)).await;
    let replica = service.replica();
    let call = json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": {} });
    let sending = |number: usize| {
        let request = service.request("POST", &format!("{path}/execute"));
        tokio::spawn(request.header("X-Correlation-ID", &format!("stop-{number}")).json(&call).send())
    };
    let calling: Vec<_> = (0..CALLS).map(sending).collect();
    upstream.hit_number(CALLS).await;
    service.signal("STOP");
    let seconds = STOPPED.count();
    if seconds == 0 {
        service.behind_its_back(LAPSE).await;
    }
    tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).expect("a minute"))).await;
    wait_until_all_have_ended(service.database(), Duration::from_secs(20)).await;
    let before = rows(service.database()).await;
    service.signal("CONT");

    for calling in calling {
        let execution = calling.await.expect("an answer").expect(200);
        assert_eq!(execution["recorded"], false, "{execution:#}");
    }
    let after = rows(service.database()).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.status.as_str(), before.code.as_str()), ("Failed", "outcome-unknown"), "{before:?}");
        assert_eq!((&before.status, &before.code), (&after.status, &after.code), "{after:?}");
    }
    assert!(reconcile(&upstream.hits(), &after).values().all(|hits| *hits == 1));
    // It goes on under a lease of its own.
    let execution = service.execute(&path, &call).await;
    assert_eq!((&execution["recorded"], &execution["log"]["status"]), (&json!(true), &json!("Success")));
    STOPPED.reached(format_args!("stopped for {seconds} s, {CALLS} late outcomes refused"));
    drop(replica);
}
