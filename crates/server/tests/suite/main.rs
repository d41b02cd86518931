//! The built program, from outside: started in an empty directory with an empty environment, on ports of the system's
//! choice.

mod audit;
#[cfg(all(feature = "aws", feature = "azure"))]
mod cloud_secrets;
mod commands;
mod configuration;
mod contract;
mod corpus;
mod datasette;
mod demo;
mod durability;
mod faults;
mod logging;
mod metrics;
mod oauth2;
mod retention;
mod roles;
mod schemathesis;
mod serving;
mod slow_clients;
mod support;
mod vault;
