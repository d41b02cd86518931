//! Log lines: on standard error, so that standard output stays data; in UTC with microseconds; each with the
//! correlation id of its request.

mod json_line;

use std::io::{self, IsTerminal, Write, stderr};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use self::json_line::JsonLine;
use crate::config::{Config, LogFormat};
use crate::failure::Failure;

/// Libraries that would tell more about their own affairs than about the service. What the deployment sets for one of
/// them comes behind and wins. The audit's heads are told at every level: they are evidence, not detail.
const BESIDE: &str = "audit_head=info,sqlx=warn,hyper=warn,hyper_util=warn,h2=warn,reqwest=warn,rustls=warn,hickory_resolver=warn,\
                     hickory_net=warn,hickory_proto=warn,tower_http=warn,\
                     vaultrs=off,rustify=off";

/// Sets up logging for the process.
pub(crate) fn start(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .parse(format!("{BESIDE},{}", config.log_level))
        .map_err(|error| Failure::Usage(format!("`log_level`: {error}")))?;
    let terminal = stderr().is_terminal();
    let format = config.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    let started = match format {
        LogFormat::Pretty => lines.with_ansi(terminal).try_init(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(JsonLine).try_init(),
    };
    started.map_err(|error| Failure::Failed(format!("cannot set up logging: {error}")))?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Standard error, whose reader may go away and whose disk may be full: a line that cannot be written is lost, and the
/// service goes on. The subscriber would otherwise print the error to where the line could not go, which panics.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stderr().write_all(line).ok();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, panic = message, "the program panicked; this is a mistake in it");
}
