//! The ports made real: outbound HTTP, secret stores, the machine's clock and chance.

pub mod http;
pub mod secrets;
pub mod storage;
pub mod system;
