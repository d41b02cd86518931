//! Executing calls.

mod answer;
mod attempt;
mod breaker;
mod credential;
mod lease;
mod payload;
mod quota;
mod rate_limit;
mod recording;
mod renewal;
mod shutdown;
mod skip;
mod token;
mod turn;
