//! The fault table: the built program against broken upstreams, names, addresses and certificates, against the loss of
//! its own process and of its database. `.ci/faults` runs it with the counts as the requirements have them; otherwise
//! the counts are small.
//!
//! Rows that never touch the store in a way that differs between the engines run on SQLite alone.

mod authority;
mod bodies;
mod certificates;
mod chance;
mod connection_tests;
mod connections;
mod counting;
pub(crate) mod counts;
mod crowd;
mod destinations;
mod disabling;
mod everywhere;
mod flapping;
mod kills;
pub(crate) mod load;
mod memory;
pub(crate) mod names;
pub(crate) mod namespace;
mod outages;
pub(crate) mod packets;
mod rolling;
mod script;
mod secrets;
mod sharing;
mod soak;
mod spellings;
mod stops;
mod storm;
mod tampering;
mod upstream;
mod writers;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::service::Service;

/// Nothing but the rule under test ends or delays a call.
const UNLIMITED: [(&str, &str); 2] =
    [("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0"), ("CONNECTORS_EXECUTION_CIRCUIT_BREAKER", "false")];

/// A connector without a limit of its own, with these members over that.
fn connector(base_url: &str, members: &Value) -> Value {
    let mut connector = crate::support::upstream::connector(base_url, members);
    connector["rateLimitPerMinute"] = json!(0);
    connector
}

/// Executes all these calls at once, each through the connector at its path; answers in the same order.
async fn execute_all(service: &Service, calls: &[(&str, &Value)]) -> Vec<Value> {
    let mut executing = JoinSet::new();
    for (number, (path, call)) in calls.iter().enumerate() {
        let sending = service.request("POST", &format!("{path}/execute")).json(call).send();
        executing.spawn(async move { (number, sending.await.expect(200)) });
    }
    let mut answers = executing.join_all().await;
    answers.sort_unstable_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
