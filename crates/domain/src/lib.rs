//! The nouns of integration connectors and their rules: what a connector is, when a call is tried again, how fields are
//! mapped, who may do what. Everything here is pure: no I/O, no clock, no chance; the ports of persistence are traits.

pub mod access;
pub mod api_key;
pub mod audit;
pub mod call;
pub mod circuit_breaker;
pub mod connector;
pub mod correlation;
pub mod destination;
pub mod error;
pub mod failure;
pub mod fault;
pub mod id;
pub mod idempotency;
pub mod integration_log;
pub mod json;
pub mod lease;
pub mod mapping;
pub mod page;
pub mod rate_limit;
pub mod raw_secret;
pub mod redaction;
pub mod repository;
pub mod retention;
pub mod retry;
pub mod retry_quota;
pub mod secret_ref;
pub mod statistics;
