//! Starting the program and talking to it.

pub(crate) mod canary;
pub(crate) mod exchange;
pub(crate) mod ledger;
pub(crate) mod openapi;
pub(crate) mod program;
pub(crate) mod service;
pub(crate) mod shape;
pub(crate) mod upstream;
pub(crate) mod wire;

pub(crate) use self::program::{Ended, Program, Running};
