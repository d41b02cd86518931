//! The attempt loop: what is asked, told, waited for and reported.

use std::time::Duration;

use application::ports::CallExecutor;
use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use domain::retry::WaitReason;
use tokio::time::Instant;

use super::gate::{Gate, disabled, shutting_down};
use super::support::{call, code, executor, get, once, post, retry_policy, run};
use super::upstream::{Step, Upstream, answer, ok, status};

#[tokio::test]
async fn a_success_is_reported_whole() {
    let upstream = Upstream::start([ok()]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    let response = report.response.expect("an answer");
    assert_eq!((response.status, response.body.as_slice()), (200, b"{\"ok\":true}".as_slice()));
    assert!(response.headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
    let attempts = gate.attempts();
    assert_eq!((attempts[0].number, attempts[0].http_status_code, &attempts[0].error), (1, Some(200), &None));
    assert_eq!((attempts[0].waited, attempts[0].wait_reason), (Duration::ZERO, None));
    assert_eq!(gate.announced(), [false]);
}

#[tokio::test]
async fn rt_11_every_attempt_is_told_with_its_wait_and_equals_a_hit() {
    let upstream = Upstream::start([status(503), status(500), ok()]).await;
    let mut plan = get(&upstream.url());
    plan.retry = retry_policy(3, Duration::from_millis(20));
    let (report, gate) = run(&executor(), &plan).await;
    assert_eq!((report.failure, report.attempts, upstream.hits().len()), (None, 3, 3));
    assert_eq!(gate.codes(), [Some(ErrorCode::HttpStatus), Some(ErrorCode::HttpStatus), None]);
    assert_eq!(gate.announced(), [true, true, false]);
    let attempts = gate.attempts();
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(attempts[0].error.as_ref().map(|(_, text)| text.as_str()), Some("the upstream answered 503"));
    assert!(attempts[1].waited >= Duration::from_millis(20), "{:?}", attempts[1].waited);
    assert!(attempts[2].waited >= Duration::from_millis(40), "the second wait is twice the first");
    assert_eq!(attempts[2].wait_reason, Some(WaitReason::Backoff));
    assert!(attempts.is_sorted_by_key(|attempt| attempt.started_at));
}

#[tokio::test]
async fn the_last_retry_is_the_one_that_the_policy_names() {
    let upstream = Upstream::start([status(503)]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!((code(&report), report.attempts, upstream.hits().len()), (Some(ErrorCode::HttpStatus), 4, 4));
    let failure = report.failure.expect("a failure");
    assert_eq!((failure.message.as_str(), failure.retryable), ("the upstream answered 503", true));
    assert_eq!(report.response.expect("the upstream's explanation").body, b"why");
}

#[tokio::test]
async fn rt_2_nothing_is_sent_after_the_deadline() {
    let upstream = Upstream::start([ok()]).await;
    let mut plan = get(&upstream.url());
    plan.deadline = Instant::now();
    let (report, _) = run(&executor(), &plan).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::DeadlineExceeded), 0));

    plan.deadline = Instant::now() + Duration::from_millis(20);
    let gate = Gate { hold: Duration::from_millis(60), ..Gate::default() };
    let report = executor().run(&plan, &gate).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::DeadlineExceeded), 0), "the gate waited too long");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn rt_2_the_deadline_ends_an_attempt_that_has_time_of_its_own() {
    let upstream = Upstream::start([Step::AnswerAndHang(Vec::new())]).await;
    let mut plan = get(&upstream.url());
    plan.deadline = Instant::now() + Duration::from_millis(150);
    let begun = Instant::now();
    let (report, gate) = run(&executor(), &plan).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::DeadlineExceeded), 1));
    assert_eq!(gate.codes(), [Some(ErrorCode::DeadlineExceeded)]);
}

#[tokio::test]
async fn rt_2_a_wait_that_leaves_no_time_is_not_begun() {
    let upstream = Upstream::start([status(503)]).await;
    let mut plan = get(&upstream.url());
    plan.retry = retry_policy(3, Duration::from_secs(30));
    let begun = Instant::now();
    let (report, gate) = run(&executor(), &plan).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.code, ErrorCode::DeadlineExceeded);
    assert_eq!(failure.message, "the deadline leaves no time for a further attempt after: the upstream answered 503");
    assert_eq!((report.attempts, gate.announced()), (1, vec![false]));
}

#[tokio::test]
async fn rt_6_a_throttled_answer_waits_a_second() {
    let upstream = Upstream::start([status(429), ok()]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    let second = &gate.attempts()[1];
    assert!(second.waited >= Duration::from_secs(1), "{:?}", second.waited);
    assert_eq!(second.wait_reason, Some(WaitReason::Throttled));
}

#[tokio::test]
async fn rt_7_retry_after_is_waited_for() {
    let upstream = Upstream::start([answer("503 Busy", "retry-after: 1\r\n", ""), ok()]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    let second = &gate.attempts()[1];
    assert!(second.waited >= Duration::from_secs(1), "{:?}", second.waited);
    assert_eq!(second.wait_reason, Some(WaitReason::RetryAfter));
}

#[tokio::test]
async fn rt_7_a_retry_after_beyond_the_deadline_ends_the_call_and_is_kept() {
    let upstream = Upstream::start([answer("429 Slow down", "retry-after: 3600\r\n", "")]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.code, ErrorCode::RetryAfterTooLong);
    assert_eq!(failure.retry_after, Some(Duration::from_hours(1)));
    assert_eq!(
        failure.message,
        "the upstream asked to wait longer than the deadline leaves after: the upstream answered 429"
    );
    assert_eq!((report.attempts, upstream.hits().len()), (1, 1));
}

#[tokio::test]
async fn rt_7_a_retry_after_that_cannot_be_read_is_ignored() {
    let upstream = Upstream::start([answer("503 Busy", "retry-after: soon\r\n", ""), ok()]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure, None);
    assert_eq!(gate.attempts()[1].wait_reason, Some(WaitReason::Backoff));
}

#[tokio::test]
async fn rt_10_an_attempt_that_the_gate_denies_is_not_made() {
    let upstream = Upstream::start([status(503)]).await;
    for (deny_at, attempts) in [(1, 0), (3, 2)] {
        let gate = Gate { deny_at: Some(deny_at), ..Gate::default() };
        let before = upstream.hits().len();
        let report = executor().run(&get(&upstream.url()), &gate).await;
        assert_eq!(report.failure, Some(disabled()));
        assert_eq!((report.attempts, upstream.hits().len() - before), (attempts, attempts as usize));
    }
}

#[tokio::test]
async fn rt_10_the_gate_ends_a_call_between_an_attempt_and_its_wait() {
    let upstream = Upstream::start([status(503)]).await;
    let gate = Gate { stop_after: Some(1), ..Gate::default() };
    let report = executor().run(&get(&upstream.url()), &gate).await;
    assert_eq!((report.failure, report.attempts, upstream.hits().len()), (Some(disabled()), 1, 1));
}

#[tokio::test]
async fn rt_10_a_wait_that_has_become_pointless_is_broken_off() {
    let upstream = Upstream::start([status(503)]).await;
    let mut plan = get(&upstream.url());
    plan.retry = retry_policy(3, Duration::from_secs(15));
    let gate = Gate { interrupted: true, ..Gate::default() };
    let begun = Instant::now();
    let report = executor().run(&plan, &gate).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!((report.failure, report.attempts), (Some(shutting_down()), 1));
    assert_eq!(gate.announced(), [true]);
}

#[tokio::test]
async fn a_gate_that_refuses_after_the_end_does_not_change_the_end() {
    let upstream = Upstream::start([ok()]).await;
    let gate = Gate { stop_after: Some(1), ..Gate::default() };
    let report = executor().run(&get(&upstream.url()), &gate).await;
    assert_eq!((report.failure, report.attempts), (None, 1));
}

#[tokio::test]
async fn an_earlier_answer_does_not_speak_for_a_later_attempt_that_brings_none() {
    let upstream = Upstream::start([status(503), Step::AnswerAndReset(Vec::new())]).await;
    let mut plan = get(&upstream.url());
    plan.retry.max_retry_attempts = 1;
    let (report, gate) = run(&executor(), &plan).await;
    assert_eq!(gate.codes(), [Some(ErrorCode::HttpStatus), Some(ErrorCode::ConnectionReset)]);
    assert_eq!(code(&report), Some(ErrorCode::ConnectionReset));
    assert_eq!((report.response, report.status), (None, None));
}

#[tokio::test]
async fn one_executor_runs_many_calls_at_once() {
    let upstream = Upstream::start([ok()]).await;
    let executor = executor();
    let plans: Vec<_> = (0..50).map(|_| once(call(HttpMethod::Put, &upstream.url()))).collect();
    let reports = futures_util::future::join_all(plans.iter().map(|plan| run(&executor, plan))).await;
    assert!(reports.iter().all(|(report, _)| report.failure.is_none()));
    assert_eq!(upstream.hits().len(), 50);
}

#[tokio::test]
async fn a_call_can_post() {
    let upstream = Upstream::start([answer("201 Created", "", "")]).await;
    let (report, _) = run(&executor(), &post(&upstream.url())).await;
    assert_eq!(report.failure, None);
    assert_eq!(upstream.hits()[0].body, b"{\"a\":1}");
}
