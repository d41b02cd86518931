//! How connectors fare, over HTTP.

pub(crate) mod controller;
pub(crate) mod dto;
