//! The use cases of the connector service, and the ports they need beside persistence. No framework, no protocol, no
//! database: what is here would serve a command line as well as HTTP.

pub mod api_key;
pub mod audit;
pub mod authentication;
pub mod connector;
pub mod context;
pub mod error;
pub mod execution;
pub mod health;
pub mod idempotency;
pub mod integration_log;
pub mod lease;
pub mod ports;
mod reason;
pub mod recovery;
pub mod redaction;
pub mod retention;
pub mod statistics;
