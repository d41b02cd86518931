//! The ports, in memory. Each does faithfully what its adapter does, and can be told to fail.

mod clock;
mod executor;
mod ids;
mod journal;
mod secrets;
mod storage;
mod tokens;

pub(crate) use clock::SteppableClock;
pub(crate) use executor::{ScriptedExecutor, SentPlan, Step};
pub(crate) use ids::CountingIds;
pub(crate) use journal::Journal;
pub(crate) use secrets::ScriptedSecrets;
pub(crate) use storage::{MemoryStorage, Operation};
pub(crate) use tokens::{AskedToken, ScriptedTokens};
