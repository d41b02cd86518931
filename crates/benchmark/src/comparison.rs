//! The comparison: both sides in turn, round after round, so that what changes on the machine meanwhile meets both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use test_support::{Engine, TestDatabase};
use tokio::process::Command;

use crate::client::Target;
use crate::load::Load;
use crate::process::Part;
use crate::report::Side;
use crate::service::{Auth, Service};
use crate::{ENDPOINT, Failure, report};

/// What PostgreSQL must not be run without: an acknowledged write that a crash takes back is no write.
const DURABLE: &str = "SELECT name, setting FROM pg_settings \
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version') ORDER BY name";

/// All rows of calls, and those that tell a success.
const ROWS: &str = "SELECT count(*)::text, count(*) FILTER (WHERE status = 'Success')::text FROM integration_logs";

/// How the sides are compared.
#[derive(Debug, clap::Args)]
pub(crate) struct Comparison {
    /// How many calls are under way at once.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// How often each side has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many seconds of a turn are not measured.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// How many seconds of a turn are measured.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How callers of the service prove who they are.
    #[arg(long, value_enum, default_value = "none")]
    auth: Auth,
    /// The size of the connection pool of the handler written by hand; the service's is 20.
    #[arg(long, default_value_t = 20)]
    connections: u32,
    /// Fails when the ratio is below this.
    #[arg(long)]
    at_least: Option<f64>,
    /// The program to measure, instead of the one that is built here.
    #[arg(long)]
    service: Option<PathBuf>,
}

impl Comparison {
    /// Starts everything, drives both sides in turn, and prints what came out.
    ///
    /// # Errors
    /// A call that was no success, a row too many or too few, a server that could lose writes, a ratio below the wanted.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let program = match &self.service {
            Some(program) => program.clone(),
            None => build().await?,
        };
        let (of_baseline, of_service) =
            (TestDatabase::start(Engine::Postgres).await, TestDatabase::start(Engine::Postgres).await);
        report::line(&format!("PostgreSQL: {}", settings(&of_baseline).await?))?;
        let upstream = Part::start(&["upstream"]).await?;
        let base_url = format!("http://{}", upstream.address);
        let connections = self.connections.to_string();
        let baseline = ["--database-url", of_baseline.url(), "--upstream", &base_url, "--connections", &connections];
        let baseline = Part::start(&[&["baseline"], &baseline[..]].concat()).await?;
        let service = Service::start(&program, of_service.url(), self.auth, upstream.address).await?;
        let handwritten = Target { address: baseline.address, path: "/execute".to_owned(), key: None };
        let mut sides = [
            Side::new("by hand", handwritten, &[r#""status":"Success""#, "EMP002"], of_baseline),
            Side::new(
                "service",
                service.execute.clone(),
                &[r#""status":"Success""#, "EMP002", r#""recorded":true"#],
                of_service,
            ),
        ];
        for _ in 0..self.rounds {
            for side in &mut sides {
                self.turn(side).await?;
            }
        }
        for side in &sides {
            check_rows(side).await?;
        }
        let ratio = report::print(&sides)?;
        match self.at_least {
            Some(wanted) if ratio < wanted => Err(format!("the ratio is below {wanted}").into()),
            _ => Ok(()),
        }
    }

    async fn turn(&self, side: &mut Side) -> Result<(), Failure> {
        let load = Load {
            in_flight: self.in_flight,
            warm_up: Duration::from_secs(self.warm_up),
            measured: Duration::from_secs(self.seconds),
        };
        let body = format!(r#"{{"operationType":"pull","method":"GET","endpoint":"{ENDPOINT}"}}"#);
        // What one side wrote is not to be flushed during the turn of the other.
        side.database.execute("CHECKPOINT").await;
        let round = load.drive(&side.target, &Bytes::from(body), side.signs).await?;
        report::line(&format!("{:>8} {:>8.0} calls/s", side.name, round.rate))?;
        side.rounds.push(round);
        Ok(())
    }
}

/// Builds the service as this program was built, into the same target directory.
async fn build() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()?;
    let profile = here.parent().ok_or("a program without a directory")?;
    let target = profile.parent().ok_or("a program outside of a target directory")?;
    if profile.file_name().is_none_or(|name| name != "release") {
        return Err("debug builds are not worth measuring: cargo run --release -p benchmark".into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--package", "server", "--manifest-path"]);
    let built = cargo.arg(workspace).arg("--target-dir").arg(target).status().await?;
    if built.success() { Ok(profile.join("connectors")) } else { Err("the service could not be built".into()) }
}

async fn settings(database: &TestDatabase) -> Result<String, Failure> {
    let rows = database.rows(DURABLE).await;
    if let Some(off) = rows.iter().find(|row| row[1] == "off") {
        return Err(format!("`{}` is off on this server, and the rates would be those of a cache", off[0]).into());
    }
    Ok(rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join(", "))
}

async fn check_rows(side: &Side) -> Result<(), Failure> {
    let acknowledged: u64 = side.rounds.iter().map(|round| round.acknowledged).sum();
    let rows = side.database.rows(ROWS).await.swap_remove(0);
    let wanted = acknowledged.to_string();
    if rows.iter().any(|count| *count != wanted) {
        return Err(format!("{}: {wanted} calls were acknowledged; rows and successes: {rows:?}", side.name).into());
    }
    report::line(&format!("{:>8} {wanted} calls acknowledged, as many rows, all of them successes", side.name))?;
    Ok(())
}
