//! The HTTP contract, row by row.

mod connectors;
mod execution;
mod lists;
mod outcomes;
mod retries;
mod switching;
mod validation;
