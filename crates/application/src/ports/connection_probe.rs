//! The port behind which a connection is tried out.

use std::time::Duration;

use async_trait::async_trait;

use super::{CallPlan, CallReport};

/// A part of the way to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Its host name is resolved and judged.
    Resolving,
    /// A connection is made, with TLS where the URL has it.
    Connecting,
    /// The request is sent and answered.
    Exchanging,
}

/// What one request came to, and where its time went.
#[derive(Debug)]
pub struct ProbeReport {
    /// As of a call of one attempt.
    pub call: CallReport,
    /// The leg on which it ended.
    pub reached: Leg,
    /// How long the name took; `None` when nothing had to be looked up.
    pub resolving: Option<Duration>,
    /// How long the connection took.
    pub connecting: Duration,
    /// How long the request and its answer took.
    pub exchanging: Duration,
}

/// Tries a connection out.
#[async_trait]
pub trait ConnectionProbe: Send + Sync {
    /// Makes one attempt of `plan`, on a connection of its own: one that is open already proves nothing. It sends what
    /// the plan says and nothing else, once.
    async fn probe(&self, plan: &CallPlan) -> ProbeReport;
}
