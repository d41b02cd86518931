//! The command line: what can be said, and the help that says so.

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use domain::access::Role;
use domain::audit::AuditHead;
use domain::id::ConnectorId;
use domain::secret_ref::SecretRef;

use crate::config::Flags;

const CONFIGURATION_HELP: &str = "\
Configuration: defaults, overridden by the file of --config, overridden by environment variables
(CONNECTORS_LISTEN, CONNECTORS_DATABASE_URL, CONNECTORS_AUTH_MODE, …), overridden by flags.
docs/configuration.md describes every key.

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong, 3 `audit verify` could not judge.";

const CONFIG_HELP: &str = "Read the configuration from this TOML file [env: CONNECTORS_CONFIG]";

const DATABASE_URL_HELP: &str = "\
Use this store: sqlite://PATH or postgres://USER@HOST/DATABASE [default: sqlite://data/connectors.db]";

const DATABASE_URL_LONG_HELP: &str = "\
Use this store: sqlite://PATH or postgres://USER@HOST/DATABASE [default: sqlite://data/connectors.db]

Other users of the machine can see flags: a password is better kept in CONNECTORS_DATABASE_URL.";

/// Integration connectors: register upstream APIs, call them with retries and limits, and keep the evidence
#[derive(Debug, Parser)]
#[command(name = "connectors", version, after_help = CONFIGURATION_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    serve: ServeFlags,

    #[arg(long, value_name = "FILE", global = true, help = CONFIG_HELP)]
    config: Option<PathBuf>,

    #[arg(long, value_name = "URL", global = true, help = DATABASE_URL_HELP, long_help = DATABASE_URL_LONG_HELP)]
    database_url: Option<String>,
}

/// What only the serving commands know.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ServeFlags {
    /// Listen on this address; port 0 lets the system pick one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the API until SIGTERM or Ctrl-C; also what happens without a command
    Serve(ServeFlags),
    /// Show what the service does: with a store and upstreams of its own, calls, outcomes; then serve
    Demo(ServeFlags),
    /// Bring the schema of the store up to date, and end; `serve` does so, too, when it is allowed to
    Migrate,
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Judge the audit trail of the store, whether the service runs or not
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at the secrets that connectors refer to
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Print the OpenAPI document of the API
    Openapi,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether every entry is the one that was written, as JSON on standard output
    ///
    /// Ends with 0 when the trail is valid, 1 when it is not, 3 when the store could not be read.
    Verify {
        /// A head that was kept elsewhere: it has to be in the trail, which a cut or rewritten one does not fulfil
        #[arg(long, value_name = "SEQ:HASH", value_parser = anchor)]
        head: Option<AuditHead>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Look a secret up as a call would, and say that it is there, or why not; never its value
    Check {
        /// The reference, as a connector has it: STORE:NAME, with #FIELD and @VERSION where needed
        #[arg(value_name = "REF", value_parser = secret_reference)]
        reference: SecretRef,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, alone, on standard output; it is shown this once
    Create(CreateKey),
    /// Show every key ever made, without the keys themselves
    List,
    /// Revoke a key, at once and everywhere
    Revoke {
        /// The name of the key
        name: String,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// The name that appears in createdBy, initiatedBy and the audit
    #[arg(long)]
    pub name: String,
    /// What its holder may do
    #[arg(long, value_parser = role_parser())]
    pub role: Role,
    /// A connector that a key of the role `service` is for; repeat it for several
    #[arg(long = "connector", value_name = "ID", value_parser = connector)]
    pub connectors: Vec<ConnectorId>,
    /// When it ends: 2026-12-31 (the end of that day in UTC) or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "DATE", value_parser = expiry)]
    pub expires: Option<DateTime<Utc>>,
    /// Why it is made, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

impl Cli {
    /// Reads the command line of this process; ends it with help, version or what is wrong.
    pub(crate) fn of_process() -> Self {
        let cli = Self::parse();
        if cli.serve.listen.is_some() && !cli.serves() {
            let text = "`--listen` is for the commands that serve";
            Self::command().error(ErrorKind::ArgumentConflict, text).exit();
        }
        cli
    }

    /// What the command line says about the configuration.
    pub(crate) fn flags(&self) -> Flags {
        let behind = match &self.command {
            Some(Command::Serve(flags) | Command::Demo(flags)) => flags.listen.clone(),
            _ => None,
        };
        Flags {
            config: self.config.clone(),
            listen: behind.or_else(|| self.serve.listen.clone()),
            database_url: self.database_url.clone(),
            demo: matches!(self.command, Some(Command::Demo(_))),
        }
    }

    fn serves(&self) -> bool {
        matches!(self.command, None | Some(Command::Serve(_) | Command::Demo(_)))
    }
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str)).try_map(|role| Role::parse(&role).ok_or("is no role"))
}

fn connector(text: &str) -> Result<ConnectorId, String> {
    ConnectorId::parse(text).ok_or_else(|| "the id of a connector is a lower-case hyphenated UUID".to_owned())
}

fn anchor(text: &str) -> Result<AuditHead, String> {
    let expected = "write the number of an entry, a colon, and the 64 hexadecimal digits of its hash";
    AuditHead::parse(text).ok_or_else(|| expected.to_owned())
}

fn secret_reference(text: &str) -> Result<SecretRef, String> {
    SecretRef::parse(text).map_err(|refusal| format!("a reference {}", refusal.detail))
}

/// A bare date is the whole day: the key is refused from the next midnight on.
fn expiry(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| day.checked_add_days(Days::new(1)))
        .map(|next| next.and_time(NaiveTime::MIN).and_utc())
        .ok_or_else(|| "write a date as 2026-12-31, or a moment as 2026-12-31T18:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_day_ends_at_the_next_midnight_in_utc() {
        let at = |text| expiry(text).map(|moment| moment.to_rfc3339());
        assert_eq!(at("2026-12-31").as_deref(), Ok("2027-01-01T00:00:00+00:00"));
        assert_eq!(at("2026-12-31T18:00:00+02:00").as_deref(), Ok("2026-12-31T16:00:00+00:00"));
        for wrong in ["31.12.2026", "2026-02-30", "tomorrow", ""] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for line in [
            "connectors --config c.toml --listen 127.0.0.1:1 serve",
            "connectors serve --config c.toml --listen 127.0.0.1:1",
            "connectors --listen 127.0.0.1:1 --config c.toml",
        ] {
            let flags = Cli::parse_from(line.split(' ')).flags();
            assert_eq!(flags.config, Some(PathBuf::from("c.toml")), "{line}");
            assert_eq!(flags.listen.as_deref(), Some("127.0.0.1:1"), "{line}");
        }
    }
}
