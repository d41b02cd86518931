//! A limit that replicas share: fault 16.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::Engine::Postgres;
use tokio::task::JoinSet;

use super::UNLIMITED;
use super::counts::SHARED;
use crate::support::program::Program;
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

const LIMIT: usize = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// How many callers each replica has at once.
const CALLERS: usize = 8;

/// The most arrivals in any 60 s.
fn most(arrivals: &[Instant]) -> usize {
    let mut first = 0;
    let within = |last: usize| {
        while arrivals[last].duration_since(arrivals[first]) > MINUTE {
            first += 1;
        }
        last - first + 1
    };
    (0..arrivals.len()).map(within).max().unwrap_or(0)
}

/// Every replica is called without end; in small, until the first callers have waited in vain.
#[tokio::test(flavor = "multi_thread")]
async fn fault_16_three_replicas_send_no_more_than_the_limit_in_any_minute() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&arrivals);
    let upstream = Upstream::start(move |_, _| {
        noting.lock().expect("not poisoned").push(Instant::now());
        Reply::json(&json!([]))
    })
    .await;
    let service = Service::configured(Postgres, &UNLIMITED).await;
    let program = [
        ("CONNECTORS_DATABASE_URL", service.database_url()),
        ("CONNECTORS_ALLOW_HTTP", "true"),
        ("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.0/8"),
    ]
    .iter()
    .chain(&UNLIMITED)
    .fold(Program::new(), |program, (name, value)| program.with(name, value));
    let others = [program.start(&["serve"]), program.start(&["serve"])];
    let path = service.register_enabled(&upstream.connector(&json!({ "rateLimitPerMinute": LIMIT }))).await;

    let minutes = u32::try_from(SHARED.count()).expect("a few");
    let end = Instant::now() + MINUTE * minutes + Duration::from_secs(2);
    let mut callers = JoinSet::new();
    for number in 0..3 * CALLERS {
        let address = if number % 3 == 0 { service.address() } else { others[number % 3 - 1].address };
        let target = format!("{path}/execute");
        callers.spawn(async move {
            let call = json!({ "operationType": "pull", "endpoint": "/x" });
            while Instant::now() < end {
                let request = crate::support::exchange::Request::new(address, "POST", &target);
                let log = request.json(&call).send().await.expect(200)["log"].take();
                assert!(log["status"] == "Success" || log["errorCode"] == "rate-limited", "{log}");
            }
        });
    }
    callers.join_all().await;
    let arrivals = arrivals.lock().expect("not poisoned").clone();
    assert_eq!(most(&arrivals), LIMIT);
    let least = LIMIT * usize::try_from(minutes.max(1)).expect("a few") * 95 / 100;
    assert!(arrivals.len() >= least, "{} of {least} at least", arrivals.len());
    let hits = arrivals.len();
    SHARED.reached(format_args!("{hits} hits from 3 replicas in {minutes} min and 2 s, {LIMIT} at most in any 60 s"));
}
