//! A long time at a steady rate: fault 21.

use std::fs;
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::json;
use test_support::Engine::{self, Postgres, Sqlite};
use tokio::task::JoinSet;

use super::counting::{Answer, Counting, EMPTY_LIST, UNAVAILABLE};
use super::counts::SOAKED;
use super::{connector, memory};
use crate::support::service::Service;

/// So many seconds instead of those of the row.
const VARIABLE: &str = "SOAK_SECONDS";

/// A development build beside all other tests is not to fall behind, which would look like growth.
fn calls_per_second(seconds: usize) -> u32 {
    if seconds > 30 { 200 } else { 40 }
}

/// What the allocator, the caches of the store and the kernel may take more without anything growing: once, not by the
/// hour.
const MORE_MEMORY: u64 = 24 << 20;
const MORE_DESCRIPTORS: usize = 16;

/// Every tenth request meets with a fault, each time another one.
fn answer(number: usize) -> Answer {
    match (number % 10, number / 10 % 4) {
        (9, 0) => Answer::Whole(UNAVAILABLE),
        (9, 1) => Answer::Cut(b""),
        (9, 2) => Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2"),
        (9, _) => Answer::Whole(b"HTTP/1.1 500 Scripted\r\nContent-Length: 4\r\n\r\nsick"),
        _ => Answer::Whole(EMPTY_LIST),
    }
}

/// What a process holds.
struct Holding {
    memory: u64,
    descriptors: usize,
}

fn holding(process: u32) -> Holding {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("a running process").count();
    Holding { memory: memory::resident(process), descriptors }
}

/// The most that was held in these samples.
fn most(samples: &[Holding]) -> Holding {
    Holding {
        memory: samples.iter().map(|sample| sample.memory).max().expect("samples"),
        descriptors: samples.iter().map(|sample| sample.descriptors).max().expect("samples"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn seconds() -> usize {
    match std::env::var(VARIABLE) {
        Ok(seconds) => seconds.parse().expect(VARIABLE),
        Err(_) => SOAKED.count(),
    }
}

/// With everything switched on that is on by default.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fault_21_at_a_steady_rate_with_faults_nothing_grows_and_nothing_stays_behind(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let upstream = Counting::start(answer).await;
    let quiet = ("CONNECTORS_LOG_LEVEL", "error,connectors::commands::serve=info");
    let service = Service::configured(engine, &[("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0"), quiet]).await;
    let members = json!({ "maxRetryAttempts": 3, "retryDelaySeconds": 0.05 });
    let path = service.register_enabled(&connector(&upstream.base_url(), &members)).await;
    let seconds = seconds();
    let rate = calls_per_second(seconds);
    let (mut samples, mut calling, mut failed) = (Vec::new(), JoinSet::new(), 0);
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
    for _ in 0..seconds {
        for _ in 0..rate {
            pace.tick().await;
            let call = json!({ "operationType": "pull", "endpoint": "/x" });
            calling.spawn(service.request("POST", &format!("{path}/execute")).json(&call).send());
            while let Some(ended) = calling.try_join_next() {
                failed += usize::from(ended.expect("an answer").expect(200)["log"]["status"] != "Success");
            }
        }
        samples.push(holding(service.process()));
    }
    for answer in calling.join_all().await {
        failed += usize::from(answer.expect(200)["log"]["status"] != "Success");
    }
    let took = began.elapsed().as_secs();

    let calls = seconds * rate as usize;
    let quarter = samples.len() / 4;
    let (early, late) = (most(&samples[quarter..2 * quarter]), most(&samples[3 * quarter..]));
    assert!(late.memory <= early.memory + MORE_MEMORY, "{} bytes, and {} later", early.memory, late.memory);
    assert!(
        late.descriptors <= early.descriptors + MORE_DESCRIPTORS,
        "{} descriptors, and {} later",
        early.descriptors,
        late.descriptors
    );
    assert!(failed <= calls / 100, "{failed} of {calls} calls failed in spite of their retries");
    let rows = service.database().rows("SELECT status, CAST(count(*) AS TEXT) FROM integration_logs GROUP BY status");
    let mut rows = rows.await;
    rows.retain(|row| row[1] != "0");
    let counted: usize = rows.iter().map(|row| row[1].parse::<usize>().expect("a number")).sum();
    assert_eq!(counted, calls, "{rows:?}");
    assert!(rows.iter().all(|row| row[0] != "InProgress"), "{rows:?}");
    SOAKED.reached(format_args!(
        "{calls} calls in {took} s on {engine:?}, {} hits, {failed} calls failed; second quarter {} MiB and {} \
         descriptors at most, last quarter {} MiB and {}; 0 in progress",
        upstream.hits(),
        early.memory >> 20,
        early.descriptors,
        late.memory >> 20,
        late.descriptors,
    ));
}
