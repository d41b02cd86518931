//! The ports made real: outbound HTTP, access tokens, secret stores, metrics, the machine's clock and chance.

pub mod http;
pub mod metrics;
pub mod oauth2;
pub mod secrets;
pub mod storage;
pub mod system;
