//! `connectors demo`: the service on an embedded store with a demo upstream beside it. It registers connectors, calls
//! through them in good and bad weather, shows every outcome, and goes on serving. It does nothing that a client of
//! the API could not do.

mod client;
mod contractors;
mod epilogue;
mod erp;
mod hr;
mod noise;
mod outcome;
mod registration;
mod scenario;
mod screen;
mod secrets;
mod table;
mod upstream;
mod utility;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::destination::AllowedDestination;
use tokio_util::sync::CancellationToken;

use self::client::Client;
use self::scenario::Scenario;
use self::screen::Screen;
use self::upstream::Upstream;
use super::serve::{prepare, serve};
use crate::config::{Config, DEFAULT_STORE, SecretStoreConfig};
use crate::failure::Failure;
use crate::serving::Door;
use crate::signals::Signals;

/// What the demo calls, and nobody else's configuration allows by itself.
const LOOPBACK: &str = "127.0.0.1/32";

/// Plays the demo, then serves until a signal.
pub(crate) async fn run(mut config: Config) -> Result<(), Failure> {
    let screen = Screen::begin();
    let mut signals = Signals::listen()?;
    let folder = secrets_folder(&config)?;
    open_loopback(&mut config)?;
    // The door comes first: when the port is taken, nothing has been written yet.
    let door = Door::open(config.listen, config.call_limits.max_concurrent_calls)?;
    let address = door.address;
    let Some(application) = prepare(&config, &mut signals).await? else { return Ok(()) };
    secrets::write_into(&folder).await?;
    introduce(&screen, &config, address, &folder);

    let shutdown = application.shutdown.clone();
    let run = application.services.ids.uuid().simple().to_string().split_off(28);
    let stage = Stage { screen, client: Client::of(application.router.clone()), run: format!("demo-{run}"), address };
    let play = async { shutdown.run_until_cancelled(stage.play(shutdown.clone())).await.unwrap_or(Ok(())) };
    let mut serving = std::pin::pin!(serve(application, door, signals));
    tokio::select! {
        ended = &mut serving => ended,
        played = play => match played {
            Ok(()) => serving.await,
            Err(failure) => Err(failure),
        },
    }
}

/// Where one run of the demo plays.
struct Stage {
    screen: Screen,
    client: Client,
    /// What the correlation ids of this run begin with.
    run: String,
    address: SocketAddr,
}

impl Stage {
    async fn play(&self, shutdown: CancellationToken) -> Result<(), Failure> {
        let cannot = |error| Failure::caused("cannot start the demo's upstream", &error);
        let upstream = Upstream::start(shutdown).await.map_err(cannot)?;
        self.screen.step(format_args!("the demo upstream answers at {}", upstream.base_url));
        let scenario = Scenario { client: &self.client, screen: &self.screen, run: &self.run, upstream: &upstream };
        let played = scenario.play().await?;
        epilogue::show(&self.screen, &played, self.address);
        Ok(())
    }
}

/// The folder of the secret store that the demo's connectors refer to.
fn secrets_folder(config: &Config) -> Result<PathBuf, Failure> {
    let store = config.secret_stores.iter().find(|(name, _)| name == DEFAULT_STORE);
    match store {
        Some((_, SecretStoreConfig::File { path })) => Ok(path.clone()),
        _ => Err(Failure::Usage(format!(
            "the demo keeps its secrets in files: set `secret_stores.{DEFAULT_STORE}.kind` to `file`, or leave it out"
        ))),
    }
}

/// Opens what only the demo opens, for itself (SE-D-1).
fn open_loopback(config: &mut Config) -> Result<(), Failure> {
    if config.auth.is_some() {
        let text = "the demo calls its own API without a key: set `auth.mode` to `none`, or leave it out";
        return Err(Failure::Usage(text.to_owned()));
    }
    let loopback = AllowedDestination::parse(LOOPBACK).map_err(|refusal| Failure::Failed(refusal.detail))?;
    config.allow_http = true;
    config.allowed_destinations.push(loopback);
    Ok(())
}

fn introduce(screen: &Screen, config: &Config, address: SocketAddr, secrets: &Path) {
    screen.line("The service on a store of its own, a demo upstream beside it, and calls from one to the other.");
    screen.line("");
    screen.line(format_args!("  store    {}", config.database_url));
    screen.line(format_args!("  secrets  {}, with fake ones", secrets.display()));
    screen.line(
        "  opened   plain http and 127.0.0.1 as destinations, by this demo for itself; `connectors serve` does not",
    );
    screen.line("");
    screen.step(format_args!("the service listens at http://{address}"));
}
