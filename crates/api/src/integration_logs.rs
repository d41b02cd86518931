//! Integration logs over HTTP.

pub(crate) mod controller;
pub(crate) mod dto;
