//! An upstream that is overrun: fault 11.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::Engine::{Postgres, Sqlite};
use tokio::task::JoinSet;

use super::counting::{Answer, Counting, UNAVAILABLE};
use super::counts::{DOWN, THROTTLED};
use super::{UNLIMITED, connector};
use crate::support::exchange::Request;
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

/// What every 429 asks for.
const PAUSE: Duration = Duration::from_secs(2);

/// How many callers each replica has at once.
const CALLERS: usize = 8;

/// The hits of one opening each: between two of them nothing came for the time of the pause.
fn openings(arrivals: &[Instant]) -> Vec<&[Instant]> {
    arrivals.chunk_by(|one, next| next.duration_since(*one) < PAUSE).collect()
}

/// A replica that has not been told of a pause would call amid it.
#[tokio::test(flavor = "multi_thread")]
async fn fault_11_a_storm_of_429_pauses_all_replicas() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&arrivals);
    let upstream = Upstream::start(move |_, _| {
        noting.lock().expect("not poisoned").push(Instant::now());
        Reply::with("429 Too Many Requests", &[("Retry-After", "2")], "")
    })
    .await;
    let service = Service::configured(Postgres, &UNLIMITED).await;
    let others = [service.replica(), service.replica()];
    let members = json!({ "maxRetryAttempts": 2, "deadlineSeconds": 6 });
    let path = service.register_enabled(&connector(&upstream.base_url(), &members)).await;

    let wanted = THROTTLED.count();
    let end = Instant::now() + PAUSE * u32::try_from(wanted).expect("a few");
    let mut callers = JoinSet::new();
    for number in 0..3 * CALLERS {
        let address = if number % 3 == 0 { service.address() } else { others[number % 3 - 1].address };
        let target = format!("{path}/execute");
        callers.spawn(async move {
            let call = json!({ "operationType": "pull", "endpoint": "/x" });
            while Instant::now() < end {
                let log = Request::new(address, "POST", &target).json(&call).send().await.expect(200)["log"].take();
                let code = log["errorCode"].as_str().expect("no success");
                assert!(
                    [
                        "http-status",
                        "rate-limited",
                        "retry-quota-exhausted",
                        "deadline-exceeded",
                        "retry-after-too-long"
                    ]
                    .contains(&code),
                    "{log}"
                );
            }
        });
    }
    callers.join_all().await;
    let arrivals = arrivals.lock().expect("not poisoned").clone();
    let openings = openings(&arrivals);
    assert!(openings.len() >= wanted, "{} openings of {wanted} at least", openings.len());
    let most = openings.iter().map(|hits| hits.len()).max().unwrap_or(0);
    assert!(most <= 3 * CALLERS, "{most} hits in one opening, of {} callers", 3 * CALLERS);
    let longest = openings.iter().map(|hits| hits[hits.len() - 1].duration_since(hits[0])).max().unwrap_or_default();
    assert!(longest < PAUSE, "an opening lasted {longest:?}");
    THROTTLED.reached(format_args!(
        "{} openings of 3 replicas with {} callers, {} hits, {most} at most in one, which lasted {longest:?} at most",
        openings.len(),
        3 * CALLERS,
        arrivals.len()
    ));
}

/// Nothing refills the quota, so that its 500 pay for 35 retries, whatever comes.
#[tokio::test(flavor = "multi_thread")]
async fn fault_11_an_upstream_that_always_fails_is_called_once_per_call_when_the_quota_is_used_up() {
    const RETRIES: usize = 35;
    let upstream = Counting::start(|_| Answer::Whole(UNAVAILABLE)).await;
    let service = Service::configured(Sqlite, &UNLIMITED).await;
    let members = json!({ "maxRetryAttempts": 3, "retryDelaySeconds": 0 });
    let path = service.register_enabled(&connector(&upstream.base_url(), &members)).await;
    let calls = DOWN.count();
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let mut calling = JoinSet::new();
    for _ in 0..calls {
        pace.tick().await;
        let call = json!({ "operationType": "pull", "endpoint": "/x" });
        let sending = service.request("POST", &format!("{path}/execute")).json(&call).send();
        calling.spawn(async move { sending.await.expect(200)["log"]["status"].take() });
        while let Some(ended) = calling.try_join_next() {
            assert_eq!(ended.expect("an answer"), "Failed");
        }
    }
    assert!(calling.join_all().await.iter().all(|status| status == "Failed"));
    let hits = upstream.hits();
    assert_eq!(hits, calls + RETRIES, "one each, and what the quota pays for");
    let seconds = began.elapsed().as_secs();
    DOWN.reached(format_args!("{calls} calls in {seconds} s, 503 each time: {hits} hits"));
}
