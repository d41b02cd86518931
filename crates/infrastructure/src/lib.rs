//! The ports made real: outbound HTTP, access tokens, the identity provider, secret stores, metrics, the machine's clock and chance.

pub mod http;
pub mod metrics;
pub mod oauth2;
pub mod oidc;
pub mod secrets;
pub mod storage;
pub mod system;
