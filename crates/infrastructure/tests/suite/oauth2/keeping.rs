//! How long a token is kept, and how it is replaced (SE-S-7, RT-12).

use std::time::Duration;

use application::ports::{AccessTokens, TokenRequest};
use domain::connector::ClientCredentials;
use domain::id::ConnectorId;
use futures_util::FutureExt;
use futures_util::future::join_all;
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use super::{fresh, get, issues, issuing, kept, later, request, shown, soon, tokens};
use crate::http::upstream::{Step, Upstream, answer, status};

#[tokio::test]
async fn se_s_7_a_token_is_used_until_60_s_before_it_expires() {
    let server = issuing(3_600).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-1"));
    for _ in 0..10 {
        assert_eq!(shown(get(&tokens, &request).await), kept("token-1"));
    }
    later(3_530).await;
    assert_eq!(shown(get(&tokens, &request).await), kept("token-1"));
    later(10).await;
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-2"));
    assert_eq!(server.hits().len(), 2);
}

#[tokio::test]
async fn a_token_of_unknown_life_is_kept_for_5_minutes() {
    let unknown = answer(
        "200 OK",
        "content-type: application/json;charset=UTF-8\r\n",
        r#"{"access_token":"token-1","token_type":"bearer"}"#,
    );
    let server = Upstream::start([unknown, issues("token-2", 600)]).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-1"));
    later(290).await;
    assert_eq!(shown(get(&tokens, &request).await), kept("token-1"));
    later(10).await;
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-2"));
}

#[tokio::test]
async fn se_s_7_fifty_calls_at_once_are_one_token_request() {
    let server = issuing(3_600).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    for (seconds, expected) in [(0, "token-1"), (3_540, "token-2")] {
        later(seconds).await;
        let all = join_all((0..50).map(|_| get(&tokens, &request))).await;
        for token in all {
            assert_eq!(shown(token), fresh(expected));
        }
    }
    assert_eq!(server.hits().len(), 2);
}

#[tokio::test]
async fn se_s_7_everybody_learns_of_one_refusal() {
    let server = Upstream::start([status(503), issues("token-1", 600)]).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    let all = join_all((0..50).map(|_| get(&tokens, &request))).await;
    assert!(all.iter().all(|token| token.as_ref().is_err_and(|refused| refused.failure.retryable)));
    assert_eq!(server.hits().len(), 1);
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-1"), "a refusal is not kept");
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_along() {
    let server = issuing(600).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    assert!(get(&tokens, &request).now_or_never().is_none(), "on its way");
    assert_eq!(shown(get(&tokens, &request).await), fresh("token-1"));
    assert_eq!(server.hits().len(), 1);
}

#[tokio::test]
async fn rt_2_every_caller_keeps_its_own_deadline_and_the_request_has_10_s() {
    let server = Upstream::start([Step::AnswerAndHang(Vec::new())]).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    let patient = tokens.token(&request, Instant::now() + Duration::from_mins(5));
    let hasty = tokens.token(&request, Instant::now() + Duration::from_millis(200));
    tokio::pin!(patient);
    let refused = tokio::select! {
        biased;
        _ = &mut patient => panic!("nothing came"),
        refused = hasty => refused.expect_err("no time"),
    };
    assert!(refused.failure.message.contains("until the call's deadline"), "{}", refused.failure.message);
    assert!(refused.failure.retryable);
    later(10).await;
    let refused = patient.await.expect_err("no answer");
    assert_eq!(refused.failure.message, "the authorization server did not answer in time");
    assert!(refused.failure.retryable);
    assert_eq!(server.hits().len(), 1);
}

#[tokio::test]
async fn rt_12_a_refused_token_is_replaced_once_for_all_who_were_refused() {
    let server = issuing(3_600).await;
    let (tokens, request) = (tokens(), request(&server.url()));
    get(&tokens, &request).await.expect("a token");
    let stale = SecretString::from("token-1");
    let all = join_all((0..20).map(|_| tokens.renew(&request, &stale, soon()))).await;
    for token in all {
        assert_eq!(shown(token), fresh("token-2"));
    }
    assert_eq!(shown(tokens.renew(&request, &stale, soon()).await), kept("token-2"), "it was replaced already");
    assert_eq!(shown(get(&tokens, &request).await), kept("token-2"));
    assert_eq!(server.hits().len(), 2);
}

#[tokio::test]
async fn se_s_7_another_secret_configuration_or_connector_never_uses_the_old_token() {
    let server = issuing(3_600).await;
    let (tokens, first) = (tokens(), request(&server.url()));
    assert_eq!(shown(get(&tokens, &first).await), fresh("token-1"));
    let rotated = TokenRequest { client_secret: "rotated".into(), ..first.clone() };
    assert_eq!(shown(get(&tokens, &rotated).await), fresh("token-2"));
    let grant = ClientCredentials { scopes: vec!["hr.read".to_owned()], ..first.grant.clone() };
    let narrowed = TokenRequest { grant, ..rotated };
    assert_eq!(shown(get(&tokens, &narrowed).await), fresh("token-3"));
    let other = TokenRequest { connector: ConnectorId::new(Uuid::from_u128(8)), ..narrowed.clone() };
    assert_eq!(shown(get(&tokens, &other).await), fresh("token-4"));
    assert_eq!(shown(get(&tokens, &narrowed).await), kept("token-3"));
}
