//! Tokens for calls: from the cache, or with everybody else who asks for the same one right now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use application::ports::{AccessToken, AccessTokens, Clock, TokenRefused, TokenRequest};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::cache::{Cache, Flight, keeping};
use super::exchange;
use super::refusal;
use crate::http::{ClientError, ExecutorSettings, GuardedClient};

/// The longest time for one token request, whoever waits for it.
const LONGEST_FETCH: Duration = Duration::from_secs(10);

/// The most connectors whose tokens are kept.
const MOST_TOKENS: usize = 10_000;

/// Access tokens, asked for with the `oauth2` crate through the destination guard. One instance serves the whole
/// process: it holds the tokens.
pub struct OAuth2Tokens(Arc<Shared>);

struct Shared {
    transport: GuardedClient,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

impl OAuth2Tokens {
    /// Builds the client, under what the deployment decided about outbound calls. Reads the system's root certificates,
    /// name servers and hosts file, once.
    ///
    /// # Errors
    /// [`ClientError`]: an unreadable extra root, no trusted root at all, or an unusable resolver.
    pub fn new(settings: &ExecutorSettings, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let transport = GuardedClient::new(settings)?;
        Ok(Self(Arc::new(Shared { transport, clock, cache: Mutex::new(Cache::of(MOST_TOKENS)) })))
    }

    /// The token that is there, unless it is `stale`; else the answer on its way, which is begun if there is none.
    fn find(&self, request: &TokenRequest, stale: Option<&SecretString>) -> Result<SecretString, Flight> {
        let mut cache = self.0.cache();
        let now = Instant::now();
        let kept = cache.token(request, now);
        let is_stale = |kept: &SecretString| stale.is_some_and(|stale| stale.expose_secret() == kept.expose_secret());
        if let Some(kept) = kept.filter(|kept| !is_stale(kept)) {
            return Ok(kept);
        }
        if let Some(flight) = cache.flight(request) {
            return Err(flight);
        }
        let (sender, flight) = watch::channel(None);
        cache.depart(request, flight.clone(), now);
        // A task of its own: the caller may go away, and others wait for the same answer.
        let fetch = Arc::clone(&self.0).fetch(request.clone(), sender, flight.clone());
        tokio::spawn(fetch.in_current_span());
        Err(flight)
    }

    async fn get(
        &self,
        request: &TokenRequest,
        stale: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<AccessToken, TokenRefused> {
        let mut flight = match self.find(request, stale) {
            Ok(value) => return Ok(AccessToken { value, cached: true }),
            Err(flight) => flight,
        };
        let landed = timeout_at(deadline, flight.wait_for(Option::is_some)).await;
        match landed {
            Err(_) => Err(refusal::deadline()),
            Ok(Err(_)) => Err(refusal::lost()),
            Ok(Ok(answer)) => match &*answer {
                Some(Ok(value)) => Ok(AccessToken { value: value.clone(), cached: false }),
                Some(Err(refused)) => Err(refused.clone()),
                None => Err(refusal::lost()),
            },
        }
    }
}

impl Shared {
    async fn fetch(
        self: Arc<Self>,
        request: TokenRequest,
        sender: watch::Sender<Option<Result<SecretString, TokenRefused>>>,
        flight: Flight,
    ) {
        // A token's life begins before the request that brings it: the server counts from somewhere in between.
        let begun = Instant::now();
        let fetched = exchange::fetch(&self.transport, self.clock.as_ref(), &request, begun + LONGEST_FETCH).await;
        let result = match fetched {
            Ok(issued) => {
                let kept = keeping(issued.life);
                tracing::debug!(connector_id = %request.connector, kept_seconds = kept.as_secs(), "access token issued");
                self.cache().arrive(request.connector, &flight, Some((issued.value.clone(), begun + kept)));
                Ok(issued.value)
            }
            Err(refused) => {
                // Without the message: it is not redacted yet.
                tracing::debug!(connector_id = %request.connector, retryable = refused.failure.retryable, "no access token");
                self.cache().arrive(request.connector, &flight, None);
                Err(refused)
            }
        };
        sender.send_replace(Some(result));
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AccessTokens for OAuth2Tokens {
    async fn token(&self, request: &TokenRequest, deadline: Instant) -> Result<AccessToken, TokenRefused> {
        self.get(request, None, deadline).await
    }

    async fn renew(
        &self,
        request: &TokenRequest,
        stale: &SecretString,
        deadline: Instant,
    ) -> Result<AccessToken, TokenRefused> {
        self.get(request, Some(stale), deadline).await
    }
}
