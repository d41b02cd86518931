//! Which failures are repeated, and for which requests (RT-3, RT-4, RT-5).

use domain::failure::ErrorCode;
use domain::integration_log::HttpMethod;
use rstest::rstest;
use tokio::net::TcpListener;

use super::support::{call, code, executor, get, post, run};
use super::upstream::{Step, Upstream, answer, ok, status};

#[rstest]
#[case::request_timeout(408, true)]
#[case::internal(500, true)]
#[case::bad_gateway(502, true)]
#[case::unavailable(503, true)]
#[case::gateway_timeout(504, true)]
#[case::moved(301, false)]
#[case::found(302, false)]
#[case::not_modified(304, false)]
#[case::permanent(308, false)]
#[case::bad_request(400, false)]
#[case::unauthorized(401, false)]
#[case::forbidden(403, false)]
#[case::not_found(404, false)]
#[case::conflict(409, false)]
#[case::unprocessable(422, false)]
#[case::not_implemented(501, false)]
#[case::version(505, false)]
#[tokio::test]
async fn rt_3_and_rt_4_transient_statuses_are_repeated_and_others_are_not(#[case] given: u16, #[case] repeated: bool) {
    let first = if given == 304 { Step::Answer(b"HTTP/1.1 304 Same\r\n\r\n".to_vec()) } else { status(given) };
    let upstream = Upstream::start([first, ok()]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!(report.failure.is_none(), repeated);
    assert_eq!(upstream.hits().len(), if repeated { 2 } else { 1 });
    if !repeated {
        let redirect = (300..400).contains(&given);
        let expected = if redirect { ErrorCode::RedirectNotFollowed } else { ErrorCode::HttpStatus };
        assert_eq!(code(&report), Some(expected));
    }
}

#[tokio::test]
async fn se_d_4_a_redirect_is_not_followed() {
    let target = Upstream::start([ok()]).await;
    let location = format!("location: {}\r\n", target.url());
    let upstream = Upstream::start([answer("307 Over there", &location, "")]).await;
    let (report, _) = run(&executor(), &get(&upstream.url())).await;
    assert_eq!((code(&report), upstream.hits().len()), (Some(ErrorCode::RedirectNotFollowed), 1));
    assert_eq!(target.connections(), 0);
    assert!(report.response.expect("the redirect").headers.iter().any(|(name, _)| name == "location"));
}

#[rstest]
#[case(HttpMethod::Get, true)]
#[case(HttpMethod::Head, true)]
#[case(HttpMethod::Put, true)]
#[case(HttpMethod::Delete, true)]
#[case(HttpMethod::Post, false)]
#[case(HttpMethod::Patch, false)]
#[tokio::test]
async fn rt_5_a_request_that_may_have_arrived_is_repeated_only_where_that_is_safe(
    #[case] method: HttpMethod,
    #[case] repeated: bool,
    #[values(Step::AnswerAndReset(Vec::new()), Step::AnswerAndClose(Vec::new()), status(503))] first: Step,
) {
    let success = Step::Answer(b"HTTP/1.1 204 Done\r\n\r\n".to_vec());
    let first = if method == HttpMethod::Head && matches!(first, Step::Answer(_)) {
        Step::Answer(b"HTTP/1.1 503 Busy\r\n\r\n".to_vec())
    } else {
        first
    };
    let upstream = Upstream::start([first, success]).await;
    let (report, _) = run(&executor(), &call(method, &upstream.url())).await;
    assert_eq!(report.failure.is_none(), repeated, "{:?}", report.failure);
    assert_eq!(upstream.hits().len(), if repeated { 2 } else { 1 });
}

#[tokio::test]
async fn rt_5_a_post_is_repeated_where_the_connection_was_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let (report, gate) = run(&executor(), &post(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!((code(&report), report.attempts), (Some(ErrorCode::ConnectRefused), 4));
    assert_eq!(gate.announced(), [true, true, true, false]);
}

#[tokio::test]
async fn rt_5_with_an_idempotency_key_a_post_is_repeated_under_the_same_key() {
    let upstream = Upstream::start([Step::AnswerAndReset(Vec::new()), status(503), ok()]).await;
    let mut plan = post(&upstream.url());
    plan.idempotency_key = Some(("Idempotency-Key".to_owned(), "call-1".to_owned()));
    let (report, _) = run(&executor(), &plan).await;
    assert_eq!((report.failure, report.attempts), (None, 3));
    for hit in upstream.hits() {
        assert_eq!(hit.header("idempotency-key"), ["call-1"]);
        assert_eq!(hit.body, b"{\"a\":1}");
    }
}
