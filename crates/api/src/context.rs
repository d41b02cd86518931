//! The context of a request as the use cases take it.

use std::net::{IpAddr, SocketAddr};

use application::context::RequestContext;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;
use domain::access::Principal;
use domain::correlation::{CorrelationId, TraceContext};

use crate::problem::{Problem, ProblemCode};

/// From where the request's connection comes.
pub(crate) fn source_address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical())
}

/// Extracts what the layers before have found out.
pub(crate) struct Caller(pub(crate) RequestContext);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let extensions = &parts.extensions;
        let context = (|| {
            Some(RequestContext {
                principal: extensions.get::<Principal>()?.clone(),
                correlation_id: extensions.get::<CorrelationId>()?.clone(),
                trace: extensions.get::<TraceContext>()?.clone(),
                source_address: source_address(extensions),
            })
        })();
        // Only a route outside of the authenticated part of the router can get here.
        context.map(Self).ok_or_else(|| Problem::new(ProblemCode::Unauthenticated, "credentials are needed"))
    }
}
