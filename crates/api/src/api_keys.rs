//! API keys: making, listing, reading and revoking them.

pub(crate) mod controller;
mod dto;
