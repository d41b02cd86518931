//! Access tokens by client credentials (RFC 6749 §4.4): asked for through the guard of calls, kept per connector until
//! 60 s before they expire, one request at a time (SE-S-7).

mod answer;
mod cache;
mod exchange;
mod refusal;
mod tokens;

pub use tokens::OAuth2Tokens;
