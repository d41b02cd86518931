//! The HTTP contract, row by row.

mod access;
mod audit;
mod availability;
mod call_limits;
mod connection_tests;
mod connectors;
mod correlation;
mod execution;
mod idempotency;
mod inbound_limit;
mod lists;
mod logs;
mod loopback;
mod operational;
mod operations;
mod outcomes;
mod rate_limits;
mod raw;
mod raw_secrets;
mod retries;
mod secrets;
mod statistics;
mod switching;
mod validation;
