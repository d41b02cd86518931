//! The binary: parses the command line and hands over.

mod cli;
mod commands;
mod composition;
mod config;
mod failure;
mod logging;
mod metrics;
mod serving;
mod signals;
mod terminal;
mod upkeep;

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Cli;
use crate::failure::Failure;

/// What still runs when a command has ended (a look-up of a name, a file being read) is not waited for.
const LEFTOVERS: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let cli = Cli::of_process();
    infrastructure::http::install_crypto_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&Failure::caused("cannot start the threads of the program", &error)),
    };
    let done = runtime.block_on(commands::run(cli));
    runtime.shutdown_timeout(LEFTOVERS);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure),
    }
}

fn end(failure: &Failure) -> ExitCode {
    terminal::note(format_args!("connectors: {failure}"));
    failure.exit_code()
}
