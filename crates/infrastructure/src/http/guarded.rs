//! Single requests through the guard, for what the service asks others on its own behalf: no redirects, no retries,
//! little of the answer, and one end for all of it.

use application::ports::Clock;
use domain::failure::{ErrorCode, Failure};
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use reqwest::Client;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::BodyFault;
use super::client::{self, ClientError};
use super::executor::ExecutorSettings;
use super::guard::Guard;
use super::handover::{Handover, WatchedBody};
use super::{classify, request, retry_after};

/// A client beside that of the calls: the same guard, trust and name servers, a connection pool of its own.
pub(crate) struct GuardedClient {
    client: Client,
    guard: Guard,
}

/// An answer that came whole.
pub(crate) struct SmallAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl SmallAnswer {
    /// What its `Retry-After` asks for, if that can be read.
    pub(crate) fn retry_after(&self, clock: &dyn Clock) -> Option<Duration> {
        let asked = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry_after::parse(asked, clock.now())
    }
}

impl GuardedClient {
    /// Builds the client. Reads the system's root certificates, name servers and hosts file, once.
    ///
    /// # Errors
    /// [`ClientError`]: an unreadable extra root, no trusted root at all, or an unusable resolver.
    pub(crate) fn new(settings: &ExecutorSettings) -> Result<Self, ClientError> {
        let resolver = settings.names.resolver().map_err(ClientError::Resolver)?;
        let guard = Guard::new(settings.policy.clone(), resolver);
        Ok(Self { client: client::build(&guard, &settings.roots)?, guard })
    }

    /// Sends `request` to `url`, and reads the answer to its end, which is at most `most` bytes and until `end` away.
    ///
    /// # Errors
    /// The failure of an attempt that was made like this.
    pub(crate) async fn send(
        &self,
        url: &Url,
        request: Request<Vec<u8>>,
        most: usize,
        end: Instant,
    ) -> Result<SmallAnswer, Failure> {
        if self.guard.judge(url).is_err() {
            return Err(classify::blocked().failure);
        }
        let (head, body) = request.into_parts();
        let handover = Handover::default();
        let mut outgoing = reqwest::Request::new(head.method, url.clone());
        *outgoing.headers_mut() = head.headers;
        outgoing.headers_mut().insert(USER_AGENT, HeaderValue::from_static(request::AGENT));
        *outgoing.body_mut() = Some(reqwest::Body::wrap(WatchedBody::new(body.into(), handover.clone())));
        let mut sending = Box::pin(self.client.execute(outgoing));
        let answered = timeout_at(end, &mut sending).await.map_err(|_| self.guard.is_resolving(url));
        drop(sending);
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let tls = url.scheme() == "https";
                return Err(classify::request_error(error, handover.never_left(), tls).failure);
            }
            Err(resolving) => return Err(late_head(handover.never_left(), resolving)),
        };
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        match timeout_at(end, read(&mut response, most)).await {
            Ok(body) => Ok(SmallAnswer { status, headers, body: body? }),
            Err(_) => Err(failure(ErrorCode::BodyTimeout)),
        }
    }
}

async fn read(response: &mut reqwest::Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| classify::body_fault(BodyFault::Transport(error)))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > most {
            return Err(failure(ErrorCode::ResponseTooLarge));
        }
        body.extend_from_slice(&chunk);
    }
}

fn late_head(never_left: bool, resolving: bool) -> Failure {
    failure(match (never_left, resolving) {
        (false, _) => ErrorCode::AttemptTimeout,
        (true, true) => ErrorCode::DnsFailure,
        (true, false) => ErrorCode::ConnectTimeout,
    })
}

fn failure(code: ErrorCode) -> Failure {
    Failure::new(code, classify::sentence(code))
}
