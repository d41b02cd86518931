//! Executing calls.

mod answer;
mod attempt;
mod credential;
mod payload;
mod recording;
mod shutdown;
mod skip;
