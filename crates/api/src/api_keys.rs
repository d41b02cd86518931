//! API keys: making, listing, reading and revoking them.

pub(crate) mod controller;
pub(crate) mod dto;
