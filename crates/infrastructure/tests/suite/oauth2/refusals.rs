//! How it is told why there is no token.

use std::time::Duration;

use domain::failure::ErrorCode;
use rstest::rstest;
use tokio::net::TcpListener;

use super::{get, request, tokens};
use crate::http::upstream::{Step, Upstream, answer, message};

const JSON: &str = "content-type: application/json\r\n";

#[rstest]
#[case::client(
    401,
    r#"{"error":"invalid_client","error_description":"no such client"}"#,
    "`invalid_client`",
    Some("no such client"),
    false,
    true
)]
#[case::scope(400, r#"{"error":"invalid_scope"}"#, "`invalid_scope`", None, false, false)]
#[case::own(403, r#"{"error":"tenant_suspended","hint":1}"#, "`tenant_suspended`", None, false, false)]
#[case::said_with_200(
    200,
    r#"{"error":"invalid_client","error_description":"d"}"#,
    "`invalid_client`",
    Some("d"),
    false,
    true
)]
#[case::control_characters(
    400,
    r#"{"error":"invalid_\u001bscope","error_description":"red \u001b[31m\r\nX: y\u0000\u0085z"}"#,
    "`invalid_ scope`",
    Some("red  [31m  X: y  z"),
    false,
    false
)]
#[case::several_lines(500, "<h1>\nOops\u{7}</h1>", "answered 500", Some("<h1> Oops </h1>"), true, false)]
#[case::busy(503, r#"{"error":"temporarily_unavailable"}"#, "`temporarily_unavailable`", None, true, false)]
#[case::broken(500, "<h1>Oops</h1>", "answered 500", Some("<h1>Oops</h1>"), true, false)]
#[case::broken_silently(502, "", "answered 502", None, true, false)]
#[case::throttled(429, "slow down", "answered 429", Some("slow down"), true, false)]
#[case::unauthorized(401, "no", "answered 401", Some("no"), false, true)]
#[case::not_found(404, "no", "answered 404", Some("no"), false, false)]
#[case::no_json(200, "token=c4nary", "no access token", None, false, false)]
#[case::half(200, r#"{"access_token":"c4nary"}"#, "no access token", None, false, false)]
#[case::empty(200, "", "no access token", None, false, false)]
#[case::another_type(200, r#"{"access_token":"c4nary","token_type":"mac"}"#, "`token_type`", None, false, false)]
#[case::two_lines(200, r#"{"access_token":"c4nary\r\nX: y","token_type":"Bearer"}"#, "header", None, false, false)]
#[tokio::test]
async fn se_s_7_a_refusal_is_told_in_the_servers_words_and_never_with_a_token(
    #[case] status: u16,
    #[case] body: &str,
    #[case] named: &str,
    #[case] details: Option<&str>,
    #[case] retryable: bool,
    #[case] invalid_client: bool,
) {
    let server = Upstream::start([answer(&format!("{status} Scripted"), JSON, body)]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("refused");
    let failure = &refused.failure;
    assert_eq!(failure.code, ErrorCode::OauthTokenFailed);
    assert!(failure.message.contains(named), "{failure:?}");
    assert_eq!((failure.details.as_deref(), failure.retryable), (details, retryable), "{failure:?}");
    assert_eq!(refused.invalid_client, invalid_client);
    assert!(!format!("{refused:?}").contains("c4nary"));
    assert_eq!(server.hits().len(), 1, "it is not repeated within the call");
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept() {
    let server = Upstream::start([answer("429 Slow", "retry-after: 17\r\n", "")]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("refused");
    assert_eq!(refused.failure.retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn an_explanation_without_end_is_cut() {
    let body = format!(r#"{{"error":"invalid_request","error_description":"{}"}}"#, "ä".repeat(20_000));
    let server = Upstream::start([answer("400 No", JSON, &body)]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("refused");
    assert_eq!(refused.failure.details.map(|details| details.chars().count()), Some(500));
}

#[rstest]
#[case::endless(Step::Flood(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_vec(), vec![b' '; 8_192]))]
#[case::large(Step::Answer(message("200 OK", JSON, &vec![b' '; 64 * 1024 + 1])))]
#[tokio::test]
async fn out_a_huge_answer_is_not_read_to_its_end(#[case] step: Step) {
    let server = Upstream::start([step]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("refused");
    assert_eq!(refused.failure.message, "the authorization server's answer is larger than 64 KiB");
    assert!(!refused.failure.retryable);
}

#[rstest]
#[case::reset(Step::AnswerAndReset(Vec::new()), "connection-reset", true)]
#[case::half(Step::AnswerAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec()), "connection-reset", true)]
#[case::no_http(Step::AnswerAndClose(b"SSH-2.0-x\r\n\r\n".to_vec()), "malformed-response", false)]
#[tokio::test]
async fn an_answer_that_breaks_off_says_how(#[case] step: Step, #[case] named: &str, #[case] retryable: bool) {
    let server = Upstream::start([step]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("refused");
    assert!(refused.failure.message.contains(named), "{:?}", refused.failure);
    assert_eq!((refused.failure.code, refused.failure.retryable), (ErrorCode::OauthTokenFailed, retryable));
}

#[tokio::test]
async fn a_server_that_is_not_there_may_be_there_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    drop(listener);
    let refused = get(&tokens(), &request(&url)).await.expect_err("refused");
    assert!(refused.failure.message.contains("connect-refused") && refused.failure.retryable, "{:?}", refused.failure);
}
