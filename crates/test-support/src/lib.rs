//! Databases for tests: every test has its own, on either engine, and leaves nothing behind.

mod database;

pub use database::{Engine, TestDatabase};
