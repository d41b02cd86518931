//! `connectors serve`: the service until a signal.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::composition::{Application, compose};
use crate::config::Config;
use crate::failure::Failure;
use crate::serving::Door;
use crate::signals::{Signals, TERMINATE};
use crate::upkeep::outlive_panics;

/// For how long a replica that is terminated still serves as if nothing had happened, but that it is not ready: those who
/// route requests to it need a moment to learn that.
const NOTICE: Duration = Duration::from_secs(2);

/// How long requests under way and their calls have to end, from the signal on (DU-6).
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the store has to close after that.
const CLOSING: Duration = Duration::from_secs(3);

/// Serves what the configuration says.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let Some(application) = prepare(config, &mut signals).await? else { return Ok(()) };
    let door = Door::open(config.listen, config.call_limits.max_concurrent_calls)?;
    serve(application, door, signals).await
}

/// Puts the service together. `None`: a signal came first.
pub(crate) async fn prepare(config: &Config, signals: &mut Signals) -> Result<Option<Application>, Failure> {
    tokio::select! {
        composed = compose(config) => composed.map(Some),
        signal = signals.next() => {
            tracing::info!(signal, "ended before the start was complete");
            Ok(None)
        }
    }
}

/// Serves the application at the door until a signal, then ends it: not ready at once, no new connections, the
/// requests under way and their calls finished. Whoever terminates it is an orchestrator, which gets notice; Ctrl-C is a
/// person, who does not wait for one. A second signal ends it at once.
pub(crate) async fn serve(application: Application, door: Door, mut signals: Signals) -> Result<(), Failure> {
    let Application { router, services, store, metrics, leases, recovery, purger, leaving, shutdown } = application;
    let address = door.address;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening on http://{address}");
    tracing::info!("the reference of the API is at http://{address}/docs");

    // The lease outlives the calls under way, which end after the signal.
    let upkeep = CancellationToken::new();
    let keeping = tokio::spawn({
        let (leases, keys) = (leases.clone(), services.keys.clone());
        let (stop, ending) = (upkeep.clone(), shutdown.clone());
        async move {
            tokio::join!(
                outlive_panics("leases", || leases.keep(stop.clone())),
                outlive_panics("recovery", || recovery.keep(stop.clone())),
                outlive_panics("retention", || purger.keep(ending.clone())),
                outlive_panics("uses of keys", || keys.uses().keep(stop.clone())),
            )
        }
    });
    if let Some(metrics) = metrics {
        let (execution, audit) = (services.execution.clone(), services.audit.clone());
        tokio::spawn(metrics.serve(execution, leases.clone(), audit, services.ids.clone(), upkeep.clone()));
    }
    let serving = tokio::spawn(door.serve(router, leaving.clone(), shutdown.clone().cancelled_owned()));
    let signal = signals.next().await;
    let end = Instant::now() + PATIENCE;
    leaving.cancel();
    tracing::info!(signal, "ending; a second signal ends at once");

    let finished = async {
        if signal == TERMINATE {
            sleep(NOTICE).await;
        }
        shutdown.cancel();
        let requests = timeout_at(end, serving).await;
        let calls = timeout_at(end, services.execution.drain()).await;
        if requests.is_err() || calls.is_err() {
            tracing::warn!("requests were still under way after {} s and are cut off", PATIENCE.as_secs());
        }
        upkeep.cancel();
        // What was cut off is recovered by the next process that looks, at once.
        timeout(CLOSING, leases.release()).await.ok();
        timeout(CLOSING, keeping).await.ok();
        // It waits for statements under way, of which those that were cut off may hang.
        timeout(CLOSING, store.close()).await.ok();
    };
    tokio::select! {
        () = finished => {
            tracing::info!("ended");
            Ok(())
        }
        signal = signals.next() => Err(Failure::Failed(format!("ended at once by a second signal, {signal}"))),
    }
}
