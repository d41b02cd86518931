//! The correlation layer, the outermost one: it gives every request its ids, every log line its span, and every answer
//! its header (CO-1, CO-2, CO-4).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use application::ports::Ids;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use domain::correlation::{CorrelationId, TraceContext};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::head::shown;

/// The header of the correlation id, in and out.
pub(crate) const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// Wraps a service so that its requests carry a [`CorrelationId`] and a [`TraceContext`] as extensions.
#[derive(Clone)]
pub(crate) struct CorrelationLayer {
    ids: Arc<dyn Ids>,
}

impl CorrelationLayer {
    pub(crate) fn new(ids: Arc<dyn Ids>) -> Self {
        Self { ids }
    }
}

impl<S> Layer<S> for CorrelationLayer {
    type Service = Correlated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Correlated { inner, ids: Arc::clone(&self.ids) }
    }
}

/// The service that [`CorrelationLayer`] makes.
#[derive(Clone)]
pub(crate) struct Correlated<S> {
    inner: S,
    ids: Arc<dyn Ids>,
}

impl<S> Service<Request> for Correlated<S>
where
    S: Service<Request, Response = Response> + Send,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Instant::now();
        let given = single(request.headers(), &CORRELATION_HEADER).and_then(CorrelationId::parse);
        let correlation = given.unwrap_or_else(|| CorrelationId::from(self.ids.uuid()));
        let trace = trace_context(request.headers()).unwrap_or_else(|| TraceContext {
            trace_id: self.ids.trace_id(),
            flags: 0,
            state: None,
        });
        let span = tracing::info_span!(
            "request",
            correlation_id = %correlation,
            trace_id = %trace.trace_id,
            method = %request.method(),
            path = shown(request.uri().path()),
            actor = tracing::field::Empty,
            actor_type = tracing::field::Empty,
            role = tracing::field::Empty,
        );
        let header = HeaderValue::from_str(correlation.as_str());
        request.extensions_mut().insert(correlation);
        request.extensions_mut().insert(trace);
        let answering = self.inner.call(request);
        let correlated = async move {
            let mut response = answering.await?;
            if let Ok(header) = header {
                response.headers_mut().insert(CORRELATION_HEADER, header);
            }
            let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(status = response.status().as_u16(), duration_ms, "request completed");
            Ok(response)
        };
        Box::pin(correlated.instrument(span))
    }
}

/// The value of a header that stands there once; a repeated one says nothing that could be relied on.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let parent = single(headers, &HeaderName::from_static("traceparent"))?;
    let context = TraceContext::parse(parent.trim())?;
    let states: Vec<&str> = headers.get_all("tracestate").iter().filter_map(|value| value.to_str().ok()).collect();
    let state = Some(states.join(",")).filter(|state| !state.is_empty() && state.len() <= TraceContext::MAX_STATE);
    Some(TraceContext { state, ..context })
}
