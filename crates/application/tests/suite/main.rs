//! The use cases against hand-written fakes of their ports, in paused time.

mod api_key;
mod audit;
mod connection_test;
mod connector;
mod execution;
mod fakes;
mod health;
mod integration_log;
mod redaction;
mod statistics;
mod world;
