//! The adapters against what they really talk to.

mod http;
mod oauth2;
mod oidc;
mod secrets;
mod storage;
