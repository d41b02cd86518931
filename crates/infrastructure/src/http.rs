//! Outbound HTTP: one guarded client, and an executor that runs the attempts of a call with back-off between them.
//!
//! Whether and how long is `domain::retry`'s to say, whether still is the gate's; here stands how: the requests, what
//! their failures mean, where they may go, and how much of an answer is read.

mod attempt;
mod body;
mod classify;
mod client;
mod executor;
mod guard;
mod guarded;
mod handover;
mod names;
mod probe;
mod request;
mod retry_after;

pub(crate) use classify::{chain as cause_of, is_tls};
pub use client::{ClientError, TrustedRoots, install_crypto_provider};
pub use executor::{ExecutorSettings, ReqwestExecutor};
pub(crate) use guarded::GuardedClient;
pub use names::NameServers;
