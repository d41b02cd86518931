//! Access tokens, against authorization servers that do exactly what a script says. Only loopback is ever dialled.

mod keeping;
mod refusals;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use application::ports::{AccessToken, AccessTokens, TokenRefused, TokenRequest};
use domain::connector::{BaseUrl, ClientAuthentication, ClientCredentials};
use domain::destination::DestinationPolicy;
use domain::id::ConnectorId;
use infrastructure::http::{ExecutorSettings, NameServers, TrustedRoots};
use infrastructure::oauth2::OAuth2Tokens;
use infrastructure::system::SystemClock;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use uuid::Uuid;

use crate::http::certificates::Authority;
use crate::http::support::opening;
use crate::http::upstream::{Step, Upstream, answer};

fn tokens_under(policy: DestinationPolicy) -> OAuth2Tokens {
    // Never the system's roots alone: a machine without them must run the tests as well.
    let roots = TrustedRoots { extra: vec![Authority::new().pem()] };
    let settings = ExecutorSettings { policy, roots, names: NameServers::At(Vec::new()) };
    OAuth2Tokens::new(&settings, Arc::new(SystemClock)).expect("a client")
}

/// Tokens that may be had on this machine.
fn tokens() -> OAuth2Tokens {
    tokens_under(opening(&["127.0.0.1"]))
}

fn request(url: &str) -> TokenRequest {
    TokenRequest {
        connector: ConnectorId::new(Uuid::from_u128(7)),
        grant: ClientCredentials {
            token_url: BaseUrl::parse(url).expect("a URL"),
            client_id: None,
            scopes: Vec::new(),
            audience: None,
            client_authentication: ClientAuthentication::Basic,
        },
        client_id: "hr-client".to_owned(),
        client_secret: "s3cret/of+hr".into(),
    }
}

/// An answer with that token, good for so many seconds.
fn issues(token: &str, seconds: u64) -> Step {
    let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#);
    answer("200 OK", "content-type: application/json\r\n", &body)
}

/// A server whose n-th answer is the token `token-n`, good for so many seconds.
async fn issuing(seconds: u64) -> Upstream {
    Upstream::start((1..=5).map(|number| issues(&format!("token-{number}"), seconds)).collect::<Vec<_>>()).await
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn get(tokens: &OAuth2Tokens, request: &TokenRequest) -> Result<AccessToken, TokenRefused> {
    tokens.token(request, soon()).await
}

/// The token's value, and whether it was there before.
#[track_caller]
fn shown(token: Result<AccessToken, TokenRefused>) -> (String, bool) {
    let token = token.expect("a token");
    (token.value.expose_secret().to_owned(), token.cached)
}

fn fresh(value: &str) -> (String, bool) {
    (value.to_owned(), false)
}

fn kept(value: &str) -> (String, bool) {
    (value.to_owned(), true)
}

/// Lets that much time pass at once. No request may be under way that is not meant to see it.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
