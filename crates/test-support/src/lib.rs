//! Databases, secret stores and identity providers for tests: every test has its own, and leaves nothing behind.

mod database;
mod identity_provider;
mod key_vault;
mod moto;
mod openbao;
mod postgres;

pub use database::{Engine, TestDatabase};
pub use identity_provider::{Forgery, IdentityProvider, SigningKey};
pub use key_vault::KeyVault;
pub use moto::Moto;
pub use openbao::OpenBao;
pub use postgres::PostgresServer;
