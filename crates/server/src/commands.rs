//! A file per command.

mod audit;
mod demo;
mod keys;
mod migrate;
mod openapi;
mod secrets;
mod serve;

use crate::cli::{Cli, Command, ServeFlags};
use crate::config::{Config, Environment};
use crate::failure::Failure;
use crate::logging;

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let flags = cli.flags();
    let command = cli.command.unwrap_or_else(|| Command::Serve(ServeFlags::default()));
    if matches!(command, Command::Openapi) {
        return openapi::run();
    }
    let config =
        Config::load(&flags, Environment::of_process()).map_err(|faults| Failure::Usage(faults.to_string()))?;
    logging::start(&config)?;
    match command {
        Command::Serve(_) => serve::run(&config).await,
        Command::Demo(_) => demo::run(config).await,
        Command::Migrate => migrate::run(&config).await,
        Command::Keys(command) => keys::run(command, &config).await,
        Command::Audit(command) => audit::run(command, &config).await,
        Command::Secrets(command) => secrets::run(command, &config).await,
        Command::Openapi => openapi::run(),
    }
}
