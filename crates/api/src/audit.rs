//! The audit trail over HTTP.

pub(crate) mod controller;
mod dto;
pub(crate) mod export;
pub(crate) mod verification;

pub use self::verification::verification_json;
