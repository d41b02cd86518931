//! The adapters against what they really talk to.

mod http;
mod oauth2;
mod secrets;
mod storage;
