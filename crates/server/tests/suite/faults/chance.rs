//! Calls whose upstream does what chance says: hits and attempts agree (RT-11).

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::counts::{CHANCE, say};
use super::{UNLIMITED, connector};
use crate::support::ledger::{reconcile, rows, wait_until_all_have_ended};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

/// Other faults in every run of this number; the same in every run of the same.
const SEED: u64 = 0x5eed_0bad;

const AT_ONCE: usize = 24;

/// So few that the retry quota of a connector allows every retry.
const PER_CONNECTOR: usize = 50;

/// A number that depends on nothing but these two (splitmix64).
fn chance(stream: u64, number: u64) -> u64 {
    let mut state = SEED ^ stream.rotate_left(32) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// What an upstream does about a request that it has read.
fn reply(number: usize) -> Reply {
    let cut = |bytes: &str| Reply::Bytes(bytes.as_bytes().to_vec());
    match chance(1, number as u64) % 12 {
        0 => Reply::status(500),
        1 => Reply::status(502),
        2 => Reply::status(503),
        3 => Reply::status(404),
        4 => Reply::Drop,
        5 => cut("HTTP/1.1 200 OK\r\nContent-Le"),
        6 => cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        7 => cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        8 => Reply::json(&json!([])).after(Duration::from_millis(chance(2, number as u64) % 200)),
        // Longer than an attempt may take.
        9 if chance(3, number as u64).is_multiple_of(8) => Reply::Hang,
        _ => Reply::json(&json!({ "ok": true })),
    }
}

fn call(number: usize) -> Value {
    match chance(4, number as u64) % 4 {
        0 => json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": { "n": number } }),
        1 => json!({ "operationType": "push", "method": "PUT", "endpoint": "/x", "body": { "n": number } }),
        2 => json!({ "operationType": "push", "method": "PATCH", "endpoint": "/x", "body": { "n": number } }),
        _ => json!({ "operationType": "pull", "endpoint": "/x" }),
    }
}

/// Half of the calls on each engine. Some go to where nobody listens, so that nothing is ever sent for them.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn rt_11_hits_and_attempts_agree_whatever_the_upstream_does(#[values(Sqlite, Postgres)] engine: Engine) {
    let upstream = Upstream::start(|_, number| reply(number)).await;
    let service = Service::configured(engine, &UNLIMITED).await;
    let (calls, permits) = (CHANCE.count(), Arc::new(Semaphore::new(AT_ONCE)));
    let (mut there, mut nowhere) = (String::new(), String::new());
    let mut calling = JoinSet::new();
    for number in 0..calls {
        if number % PER_CONNECTOR == 0 {
            let connect = async |way: &str, base_url: &str| {
                let retries = json!({ "maxRetryAttempts": 2, "retryDelaySeconds": 0, "attemptTimeoutSeconds": 1 });
                let mut connector = connector(base_url, &retries);
                connector["name"] = json!(format!("{way} {number}"));
                service.register_enabled(&connector).await
            };
            there = connect("there", &upstream.base_url()).await;
            nowhere = connect("nowhere", "http://127.0.0.1:1/v1").await;
        }
        let is_sent = !chance(5, number as u64).is_multiple_of(10);
        let (path, way) = if is_sent { (&there, "there") } else { (&nowhere, "nowhere") };
        let request = service.request("POST", &format!("{path}/execute")).json(&call(number));
        let sending = request.header("X-Correlation-ID", &format!("{way}-{number}")).send();
        let permits = Arc::clone(&permits);
        calling.spawn(async move {
            let _permit = permits.acquire_owned().await.expect("never closed");
            assert_eq!(sending.await.expect(200)["recorded"], true);
        });
    }
    calling.join_all().await;
    wait_until_all_have_ended(service.database(), Duration::from_secs(5)).await;
    let (hits, rows) = (upstream.hits(), rows(service.database()).await);
    assert_eq!(rows.len(), calls);
    let hits_of = reconcile(&hits, &rows);
    for row in &rows {
        let hits = hits_of[&row.correlation];
        if row.correlation.starts_with("nowhere") {
            assert_eq!((hits, row.code.as_str()), (0, "connect-refused"), "{row:?}");
        } else {
            assert_eq!(hits, row.attempts, "{row:?}");
        }
    }
    let attempts: usize = rows.iter().map(|row| row.attempts).sum();
    say(&format!("calls by chance on {engine:?}: {calls} calls, {attempts} attempts, {} hits", hits.len()));
}
