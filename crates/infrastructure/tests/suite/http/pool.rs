//! RT-9: one retry layer. Connections are reused, and a dead one never makes one attempt arrive twice.

use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;

use super::support::{call, executor, get, once, run};
use super::upstream::{Step, Upstream, message, ok};

#[tokio::test]
async fn connections_are_kept() {
    let upstream = Upstream::start([ok()]).await;
    let executor = executor();
    for _ in 0..10 {
        run(&executor, &get(&upstream.url())).await;
    }
    assert_eq!((upstream.hits().len(), upstream.connections()), (10, 1));
}

/// The upstream closes its connection right behind an answer that promised to keep it, so the next call meets the
/// closing at any stage: noticed in time, while the request is queued, or when it is written already.
#[tokio::test]
async fn rt_9_an_attempt_arrives_at_most_once_over_connections_that_die() {
    for step in [Step::AnswerAndClose(message("200 OK", "", b"{}")), Step::AnswerAndReset(message("200 OK", "", b"{}"))]
    {
        let upstream = Upstream::start([step]).await;
        let executor = executor();
        for method in [HttpMethod::Get, HttpMethod::Post].into_iter().cycle().take(60) {
            let before = upstream.hits().len();
            let (report, gate) = run(&executor, &once(call(method, &upstream.url()))).await;
            let arrived = upstream.hits().len() - before;
            assert!(arrived <= 1, "one attempt arrived {arrived} times");
            assert_eq!(report.attempts, 1);
            if report.failure.is_none() {
                assert_eq!(arrived, 1);
            } else {
                assert_eq!(gate.codes(), [Some(ErrorCode::ConnectionReset)]);
            }
        }
    }
}

/// An answer that ends the connection without a word is where clients like to try again by themselves.
#[tokio::test]
async fn rt_9_a_kept_connection_that_breaks_under_a_request_is_told_and_not_repeated() {
    let upstream = Upstream::start([ok(), Step::AnswerAndClose(Vec::new()), ok()]).await;
    let executor = executor();
    run(&executor, &once(get(&upstream.url()))).await;
    let (report, gate) = run(&executor, &once(get(&upstream.url()))).await;
    assert_eq!((report.attempts, gate.codes()), (1, vec![Some(ErrorCode::ConnectionReset)]));
    assert_eq!((upstream.hits().len(), upstream.connections()), (2, 1));
}
