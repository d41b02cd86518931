//! Connectors over HTTP.

pub(crate) mod controller;
mod dto;
