//! What is asked, and whom (RFC 6749 §4.4).

use application::ports::TokenRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::connector::{ClientAuthentication, ClientCredentials};
use domain::failure::ErrorCode;

use super::{fresh, get, issuing, request, shown, tokens, tokens_under};
use crate::http::support::opening;
use crate::http::upstream::{Upstream, answer};

#[tokio::test]
async fn se_s_7_a_client_proves_itself_in_the_header() {
    let server = issuing(600).await;
    assert_eq!(shown(get(&tokens(), &request(&server.url())).await), fresh("token-1"));
    let hits = server.hits();
    assert_eq!(hits[0].request_line(), "POST /v1/items HTTP/1.1");
    // RFC 6749 §2.3.1: both parts are form-encoded before they are put together.
    let basic = format!("Basic {}", STANDARD.encode("hr-client:s3cret%2Fof%2Bhr"));
    assert_eq!(hits[0].header("authorization"), [basic]);
    assert_eq!(hits[0].header("content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(hits[0].header("accept"), ["application/json"]);
    assert_eq!(hits[0].header("content-length"), [hits[0].body.len().to_string()]);
    assert_eq!(String::from_utf8_lossy(&hits[0].body), "grant_type=client_credentials");
}

#[tokio::test]
async fn se_s_7_a_client_proves_itself_in_the_body_where_the_settings_say_so() {
    let server = issuing(600).await;
    let plain = request(&server.url());
    let grant = ClientCredentials {
        scopes: vec!["hr.read".to_owned(), "hr.write".to_owned()],
        audience: Some("https://api.example.com/".to_owned()),
        client_authentication: ClientAuthentication::Post,
        ..plain.grant.clone()
    };
    assert_eq!(shown(get(&tokens(), &TokenRequest { grant, ..plain }).await), fresh("token-1"));
    let hits = server.hits();
    assert!(hits[0].header("authorization").is_empty());
    let body = String::from_utf8_lossy(&hits[0].body).into_owned();
    let mut pairs: Vec<&str> = body.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(
        pairs,
        [
            "audience=https%3A%2F%2Fapi.example.com%2F",
            "client_id=hr-client",
            "client_secret=s3cret%2Fof%2Bhr",
            "grant_type=client_credentials",
            "scope=hr.read+hr.write",
        ]
    );
}

#[tokio::test]
async fn se_d_2_a_token_url_that_this_deployment_does_not_call_sees_not_one_packet() {
    let canary = issuing(600).await;
    let tokens = tokens_under(opening(&["127.0.0.2"]));
    for host in ["127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"] {
        let refused = get(&tokens, &request(&canary.url_at(host))).await.expect_err("blocked");
        assert_eq!(refused.failure.code, ErrorCode::OauthTokenFailed);
        assert_eq!(refused.failure.message, "this deployment does not call the destination of `tokenUrl`");
        assert_eq!((refused.failure.details, refused.failure.retryable), (None, false), "{host}");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn se_d_4_a_redirect_is_not_followed_with_the_clients_secret() {
    let target = issuing(600).await;
    let location = format!("location: {}\r\n", target.url());
    let server = Upstream::start([answer("307 Over there", &location, "")]).await;
    let refused = get(&tokens(), &request(&server.url())).await.expect_err("a redirect");
    assert!(refused.failure.message.contains("redirect 307"), "{}", refused.failure.message);
    assert!(!refused.failure.retryable);
    assert_eq!((server.hits().len(), target.connections()), (1, 0));
}
