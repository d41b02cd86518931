//! When a client began and finished to resolve a name and to connect.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use application::ports::{CallReport, Leg, ProbeReport};
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::http::guard::Guard;

/// The moments of one request. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Moments>>);

#[derive(Default)]
struct Moments {
    resolving: Span,
    connecting: Span,
}

/// From its beginning until it was done well, if it was.
#[derive(Clone, Copy, Default)]
struct Span {
    begun: Option<Instant>,
    done: Option<Instant>,
}

impl Span {
    fn begin(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
    }

    /// How long it took, or has taken by `now`.
    fn length(self, now: Instant) -> Option<Duration> {
        self.begun.map(|begun| self.done.unwrap_or(now).saturating_duration_since(begun))
    }
}

impl Watch {
    /// `guard`, watched.
    pub(super) fn resolver(&self, guard: Guard) -> WatchedGuard {
        WatchedGuard { guard, watch: self.clone() }
    }

    /// Watches connections being made.
    pub(super) fn connections(&self) -> WatchedConnections {
        WatchedConnections(self.clone())
    }

    /// What the request came to, which took `whole` and ended just now.
    pub(super) fn report(&self, call: CallReport, whole: Duration) -> ProbeReport {
        let now = Instant::now();
        let Moments { resolving, connecting } = *self.moments();
        let reached = match (resolving.begun.is_some() && resolving.done.is_none(), connecting.done) {
            (true, _) => Leg::Resolving,
            (false, None) => Leg::Connecting,
            (false, Some(_)) => Leg::Exchanging,
        };
        let (resolved, connected) = (resolving.length(now), connecting.length(now).unwrap_or_default());
        ProbeReport {
            call,
            reached,
            resolving: resolved,
            connecting: connected.saturating_sub(resolved.unwrap_or_default()),
            exchanging: whole.saturating_sub(connected),
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The guard, watched.
pub(super) struct WatchedGuard {
    guard: Guard,
    watch: Watch,
}

impl Resolve for WatchedGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolving, watch) = (self.guard.resolve(name), self.watch.clone());
        Box::pin(async move {
            watch.moments().resolving.begin();
            let addresses = resolving.await?;
            watch.moments().resolving.done = Some(Instant::now());
            Ok(addresses)
        })
    }
}

/// Puts a watch on whatever makes connections.
#[derive(Clone)]
pub(super) struct WatchedConnections(Watch);

impl<S> Layer<S> for WatchedConnections {
    type Service = WatchedConnector<S>;

    fn layer(&self, inner: S) -> WatchedConnector<S> {
        WatchedConnector { inner, watch: self.0.clone() }
    }
}

/// Makes connections, watched.
#[derive(Clone)]
pub(super) struct WatchedConnector<S> {
    inner: S,
    watch: Watch,
}

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<S, R> Service<R> for WatchedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Connecting<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (connecting, watch) = (self.inner.call(request), self.watch.clone());
        Box::pin(async move {
            watch.moments().connecting.begin();
            let connection = connecting.await?;
            watch.moments().connecting.done = Some(Instant::now());
            Ok(connection)
        })
    }
}
