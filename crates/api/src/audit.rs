//! The audit trail over HTTP.

pub(crate) mod controller;
mod dto;
