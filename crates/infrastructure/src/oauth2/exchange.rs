//! One token request: built and read by the `oauth2` crate, sent through our own guarded client.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use ::oauth2::{
    AsyncHttpClient, AuthType, Client, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse as _, TokenUrl,
};
use application::ports::{Clock, TokenRefused, TokenRequest};
use domain::connector::ClientAuthentication;
use domain::failure::Failure;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::answer::Answer;
use super::refusal;
use crate::http::GuardedClient;

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

type TokenClient = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// A token as it was issued.
pub(super) struct Issued {
    pub(super) value: SecretString,
    /// How long it is good from the request on; `None` when the server does not say.
    pub(super) life: Option<Duration>,
}

/// The request was not answered whole.
#[derive(Debug, thiserror::Error)]
#[error("the request was not answered")]
struct NotAnswered(Failure);

/// What the head of the answer said.
#[derive(Clone, Copy)]
struct Head {
    status: StatusCode,
    retry_after: Option<Duration>,
}

/// Asks for a token, once, until `end`.
pub(super) async fn fetch(
    transport: &GuardedClient,
    clock: &dyn Clock,
    request: &TokenRequest,
    end: Instant,
) -> Result<Issued, TokenRefused> {
    let grant = &request.grant;
    let url = grant.token_url.url();
    let client = TokenClient::new(ClientId::new(request.client_id.clone()))
        .set_client_secret(ClientSecret::new(request.client_secret.expose_secret().to_owned()))
        .set_auth_type(match grant.client_authentication {
            ClientAuthentication::Basic => AuthType::BasicAuth,
            ClientAuthentication::Post => AuthType::RequestBody,
        })
        .set_token_uri(TokenUrl::from_url(url.clone()));
    let scopes = grant.scopes.iter().cloned().map(Scope::new);
    let mut asking = client.exchange_client_credentials().add_scopes(scopes);
    if let Some(audience) = &grant.audience {
        asking = asking.add_extra_param("audience", audience.as_str());
    }
    let sending = Sending { transport, clock, url, end, head: Mutex::default() };
    let answered = asking.request_async(&sending).await;
    let head = sending.head.into_inner().unwrap_or_else(PoisonError::into_inner);
    match answered {
        Ok(answer) => issued(&answer),
        Err(error) => Err(refused(error, head)),
    }
}

/// The transport of one request. It remembers the head of the answer: the crate keeps neither status nor headers of
/// what it cannot read.
struct Sending<'a> {
    transport: &'a GuardedClient,
    clock: &'a dyn Clock,
    url: &'a Url,
    end: Instant,
    head: Mutex<Option<Head>>,
}

impl<'c> AsyncHttpClient<'c> for Sending<'_> {
    type Error = NotAnswered;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NotAnswered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let sent = self.transport.send(self.url, request, MAX_ANSWER_BYTES, self.end).await;
            let answer = sent.map_err(NotAnswered)?;
            let head = Head { status: answer.status, retry_after: answer.retry_after(self.clock) };
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
            let mut response = HttpResponse::new(answer.body);
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(response)
        })
    }
}

fn issued(answer: &Answer) -> Result<Issued, TokenRefused> {
    match answer.fault() {
        Some(why) => Err(refusal::no_token(why)),
        None => Ok(Issued { value: answer.access_token().secret().as_str().into(), life: answer.expires_in() }),
    }
}

fn refused(error: RequestTokenError<NotAnswered, BasicErrorResponse>, head: Option<Head>) -> TokenRefused {
    let (error, head) = match (error, head) {
        (RequestTokenError::Request(NotAnswered(failure)), _) => return refusal::not_answered(failure),
        (error, Some(head)) => (error, head),
        // The request could not even be put together.
        (_, None) => return refusal::lost(),
    };
    let refused = match error {
        RequestTokenError::Request(NotAnswered(failure)) => refusal::not_answered(failure),
        RequestTokenError::ServerResponse(error) => refusal::explained(head.status, &error),
        RequestTokenError::Parse(_, body) if head.status == StatusCode::OK => {
            // Some servers say 200 and mean an error.
            serde_json::from_slice(&body).map_or_else(
                |_| refusal::no_token("it is not the JSON of one"),
                |error| refusal::explained(head.status, &error),
            )
        }
        RequestTokenError::Parse(_, body) => refusal::unexplained(head.status, &body),
        RequestTokenError::Other(_) if head.status == StatusCode::OK => {
            refusal::no_token("it is empty, or not `application/json`")
        }
        RequestTokenError::Other(_) => refusal::unexplained(head.status, &[]),
    };
    refusal::after(refused, head.retry_after)
}
