//! What is counted of this process, for those who watch it.

use std::time::Duration;

use domain::id::ConnectorId;
use domain::integration_log::Completion;

/// Counts. Every method is quick and cannot fail.
pub trait Meter: Send + Sync {
    /// A call through the connector ended, or was skipped.
    fn call_ended(&self, connector: ConnectorId, completion: &Completion);

    /// A call through the connector ended as unknown, because its process is gone or has abandoned it.
    fn call_recovered(&self, connector: ConnectorId);

    /// A request to this service was answered. `method` and `route` are from closed sets: the route is the template of its
    /// path, never the path.
    fn request_answered(&self, method: &'static str, route: &str, status: u16, duration: Duration);
}

/// Where nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn call_ended(&self, _connector: ConnectorId, _completion: &Completion) {}

    fn call_recovered(&self, _connector: ConnectorId) {}

    fn request_answered(&self, _method: &'static str, _route: &str, _status: u16, _duration: Duration) {}
}
