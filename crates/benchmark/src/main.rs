//! Calls per second of the built service, and of a handler that does the same two writes and is written by hand: in
//! turn, on one PostgreSQL, against one upstream. `docs/reliability.md` says how to run it and what came out.

mod baseline;
mod client;
mod comparison;
mod load;
mod process;
mod report;
mod service;
mod upstream;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::baseline::Handwritten;
use crate::comparison::Comparison;

/// What ends the benchmark without a result.
type Failure = Box<dyn Error + Send + Sync>;

/// Where requests go on the upstream, and the credential that it is sent.
const ENDPOINT: &str = "/v1/headcount";
const API_KEY: &str = "benchmark-9f41c6d2a7";

/// Compares the built service with a handler written by hand, on the PostgreSQL at `$TEST_POSTGRES_URL`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    comparison: Comparison,
}

/// The processes that the comparison starts for itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// The upstream that both sides call.
    #[command(hide = true)]
    Upstream,
    /// The handler written by hand.
    #[command(hide = true)]
    Baseline(Handwritten),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.part {
        Some(Part::Upstream) => run(&mut Builder::new_current_thread(), upstream::serve()),
        Some(Part::Baseline(handwritten)) => run(&mut Builder::new_multi_thread(), handwritten.serve()),
        // One thread drives the load: the other cores are for what is measured.
        None => run(&mut Builder::new_current_thread(), arguments.comparison.run()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::complain(&*failure);
            ExitCode::FAILURE
        }
    }
}

fn run(builder: &mut Builder, part: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime: Runtime = builder.enable_all().build()?;
    runtime.block_on(part)
}
