//! Broken upstreams: each failure has its own code, and none is ever a success (RT-3, RT-4).

use std::time::Duration;

use application::ports::{CallPlan, Credential};
use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use rstest::rstest;
use tokio::net::TcpListener;

use super::support::{call, code, executor, get, once, post, run};
use super::upstream::{Step, Upstream};

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[rstest]
#[case::reset_before_the_head(Step::AnswerAndReset(Vec::new()), ErrorCode::ConnectionReset)]
#[case::end_before_the_head(Step::AnswerAndClose(Vec::new()), ErrorCode::ConnectionReset)]
#[case::end_within_the_status_line(Step::AnswerAndClose(bytes("HTTP/1.1 20")), ErrorCode::ConnectionReset)]
#[case::end_within_the_headers(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ncontent-le")),
    ErrorCode::ConnectionReset
)]
#[case::reset_within_the_headers(
    Step::AnswerAndReset(bytes("HTTP/1.1 200 OK\r\ncontent-le")),
    ErrorCode::ConnectionReset
)]
#[case::end_within_the_body(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")),
    ErrorCode::ConnectionReset
)]
#[case::reset_within_the_body(
    Step::AnswerAndReset(bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")),
    ErrorCode::ConnectionReset
)]
#[case::end_between_chunks(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n")),
    ErrorCode::ConnectionReset
)]
#[case::end_within_a_chunk(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nshort")),
    ErrorCode::ConnectionReset
)]
#[case::end_within_a_chunk_size(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n1")),
    ErrorCode::ConnectionReset
)]
#[case::a_chunk_size_that_is_none(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfive\r\nshort\r\n0\r\n\r\n")),
    ErrorCode::MalformedResponse
)]
#[case::a_chunk_longer_than_its_size(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nshort\r\n0\r\n\r\n")),
    ErrorCode::MalformedResponse
)]
#[case::not_http(Step::AnswerAndClose(bytes("220 mail.example.com ESMTP\r\n\r\n")), ErrorCode::MalformedResponse)]
#[case::not_even_text(Step::AnswerAndClose(vec![0xff; 64]), ErrorCode::MalformedResponse)]
#[case::a_status_that_is_none(Step::AnswerAndClose(bytes("HTTP/1.1 abc OK\r\n\r\n")), ErrorCode::MalformedResponse)]
#[case::a_header_that_is_none(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")),
    ErrorCode::MalformedResponse
)]
#[case::two_lengths(
    Step::AnswerAndClose(bytes("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nshort")),
    ErrorCode::MalformedResponse
)]
#[case::another_protocol_than_asked(
    Step::AnswerAndHang(bytes("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")),
    ErrorCode::MalformedResponse
)]
#[tokio::test]
async fn a_broken_answer_has_its_code_and_is_no_success(#[case] step: Step, #[case] expected: ErrorCode) {
    let upstream = Upstream::start([step]).await;
    let mut plan = get(&upstream.url());
    plan.retry.max_retry_attempts = 1;
    plan.attempt_timeout = Duration::from_secs(3);
    let (report, gate) = run(&executor(), &plan).await;
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.code, expected, "{failure:?}");
    let attempts = if expected.is_transient() { 2 } else { 1 };
    assert_eq!((report.attempts, upstream.hits().len()), (attempts, attempts as usize), "RT-11");
    assert_eq!(report.response, None, "nothing came whole");
    assert_eq!(gate.codes()[0], Some(expected));
}

#[tokio::test]
async fn a_broken_answer_to_a_post_is_not_repeated() {
    let cut = bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort");
    for step in [Step::AnswerAndClose(cut.clone()), Step::AnswerAndReset(cut), Step::AnswerAndClose(Vec::new())] {
        let upstream = Upstream::start([step]).await;
        let (report, gate) = run(&executor(), &post(&upstream.url())).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ConnectionReset), 1));
        assert_eq!(upstream.hits().len(), 1);
        assert_eq!(gate.announced(), [false]);
    }
}

#[tokio::test]
async fn a_failed_status_stays_the_verdict_when_its_explanation_breaks_off() {
    let cut = bytes("HTTP/1.1 404 Gone\r\ncontent-length: 99\r\n\r\nno such emp");
    let upstream = Upstream::start([Step::AnswerAndClose(cut)]).await;
    let (report, gate) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::HttpStatus), 1));
    assert_eq!(gate.attempts()[0].http_status_code, Some(404));
    let response = report.response.expect("what came of it");
    assert_eq!((response.status, response.body.as_slice()), (404, b"no such emp".as_slice()));
}

#[tokio::test]
async fn silence_before_the_head_and_within_the_body_have_codes_of_their_own() {
    let half = bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort");
    for (step, expected) in [
        (Step::AnswerAndHang(Vec::new()), ErrorCode::AttemptTimeout),
        (Step::AnswerAndHang(bytes("HTTP/1.1 200 O")), ErrorCode::AttemptTimeout),
        (Step::AnswerAndHang(half), ErrorCode::BodyTimeout),
    ] {
        let upstream = Upstream::start([step]).await;
        let mut plan = get(&upstream.url());
        plan.attempt_timeout = Duration::from_millis(150);
        plan.retry.max_retry_attempts = 1;
        let (report, _) = run(&executor(), &plan).await;
        assert_eq!((code(&report), report.attempts), (Some(expected), 2), "transient, RT-3");
        assert_eq!(upstream.hits().len(), 2);
    }
}

#[rstest]
#[case::with_a_body(call(HttpMethod::Post, "http://127.0.0.1/"))]
#[case::without_a_body(CallPlan { body: None, ..call(HttpMethod::Post, "http://127.0.0.1/") })]
#[tokio::test]
async fn rt_5_a_post_that_timed_out_after_it_was_sent_is_not_repeated(#[case] mut plan: CallPlan) {
    let upstream = Upstream::start([Step::AnswerAndHang(Vec::new())]).await;
    plan.url = upstream.url().parse().expect("a URL");
    plan.attempt_timeout = Duration::from_millis(150);
    let (report, _) = run(&executor(), &plan).await;
    assert_eq!((code(&report), report.attempts, upstream.hits().len()), (Some(ErrorCode::AttemptTimeout), 1, 1));
}

#[tokio::test]
async fn rt_5_a_post_that_found_no_connection_in_time_is_repeated() {
    // It takes connections and never says a word, so TLS does not finish and the request is never sent.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for plan in [post(&format!("https://127.0.0.1:{port}/")), get(&format!("https://127.0.0.1:{port}/"))] {
        let mut plan = plan;
        plan.attempt_timeout = Duration::from_millis(150);
        plan.retry.max_retry_attempts = 1;
        let (report, _) = run(&executor(), &plan).await;
        assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ConnectTimeout), 2));
    }
}

#[tokio::test]
async fn a_drip_ends_with_the_attempt() {
    let head = bytes("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    let upstream = Upstream::start([Step::Drip(head, vec![b'x'; 1_000])]).await;
    let mut plan = once(get(&upstream.url()));
    plan.attempt_timeout = Duration::from_millis(200);
    let (report, gate) = run(&executor(), &plan).await;
    assert_eq!(code(&report), Some(ErrorCode::BodyTimeout));
    assert!(gate.attempts()[0].duration < Duration::from_secs(2));
}

#[tokio::test]
async fn details_tell_the_causes_and_never_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let mut plan = once(get(&format!("http://127.0.0.1:{port}/people?page=1")));
    plan.credential = Credential::Query("key".to_owned(), "canary-secret".to_owned().into());
    let (report, _) = run(&executor(), &plan).await;
    let failure = report.failure.expect("a failure");
    let details = failure.details.clone().expect("details");
    assert!(details.to_lowercase().contains("refused"), "{details}");
    assert!(details.chars().count() <= 1_000);
    for secret in ["canary-secret", "people", "page"] {
        assert!(!format!("{failure:?}").contains(secret), "{failure:?}");
    }
}
