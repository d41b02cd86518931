//! Databases and secret stores for tests: every test has its own, and leaves nothing behind.

mod database;
mod openbao;

pub use database::{Engine, TestDatabase};
pub use openbao::OpenBao;
