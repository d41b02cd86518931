//! Connectors over HTTP.

pub(crate) mod connection_test;
pub(crate) mod controller;
pub(crate) mod dto;
