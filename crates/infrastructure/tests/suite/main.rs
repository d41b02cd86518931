//! The adapters against what they really talk to.

mod http;
mod secrets;
mod storage;
