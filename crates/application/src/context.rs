//! Who asks, under which identities. An argument of every use case, never ambient.

use std::net::IpAddr;

use domain::access::Principal;
use domain::audit::Act;
use domain::correlation::{CorrelationId, TraceContext};

use crate::ports::Clock;

/// The context of one request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Who asks, and what they may do.
    pub principal: Principal,
    /// The id that leads to everything the request caused.
    pub correlation_id: CorrelationId,
    /// The request's place in a distributed trace.
    pub trace: TraceContext,
    /// From where it came; `None` for acts at the machine itself.
    pub source_address: Option<IpAddr>,
}

impl RequestContext {
    /// The act that a change under this request is, at this moment.
    pub fn act(&self, clock: &dyn Clock) -> Act {
        Act {
            actor: self.principal.actor.clone(),
            at: clock.now(),
            correlation_id: self.correlation_id.clone(),
            source_address: self.source_address,
        }
    }
}
