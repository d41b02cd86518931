//! Rows 6 and 7: the database crashes, and its connections are killed, under load. An embedded database has neither a
//! process nor connections of its own: row 1 is its crash.

use std::time::{Duration, Instant};

use test_support::Engine::Postgres;
use test_support::{PostgresServer, TestDatabase};

use super::counts::{CRASHED, DISCONNECTED};
use super::load::Load;

/// How soon the service works again.
const HEALED: Duration = Duration::from_secs(30);

/// Calls that were acknowledged before the next fault.
const BETWEEN: usize = 20;

async fn wait_for_calls(load: &Load, least: usize) {
    let since = Instant::now();
    while load.calls() < least {
        assert!(since.elapsed() < HEALED, "no call succeeds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_6_nothing_acknowledged_is_lost_when_the_database_crashes() {
    let mut server = PostgresServer::start();
    let load = Load::start(TestDatabase::on(&server).await).await;
    for _ in 0..CRASHED.count() {
        wait_for_calls(&load, load.calls() + BETWEEN).await;
        server.crash();
        server.start_again();
    }
    wait_for_calls(&load, load.calls() + BETWEEN).await;
    let sums = load.judge().await;
    CRASHED.reached(format_args!(
        "{} crashes, {} changes and {} calls acknowledged, none lost, {} told that the store is away, {} audit entries",
        CRASHED.count(),
        sums.changes,
        sums.calls,
        sums.refused,
        sums.entries,
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_7_killed_connections_are_no_500_and_the_audit_chain_holds() {
    let load = Load::start(TestDatabase::start(Postgres).await).await;
    let killing = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..DISCONNECTED.count() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        load.service().behind_its_back(killing).await;
    }
    wait_for_calls(&load, load.calls() + BETWEEN).await;
    let sums = load.judge().await;
    DISCONNECTED.reached(format_args!(
        "connections killed {} times, {} changes and {} calls acknowledged, {} times 503, never 500, {} audit entries",
        DISCONNECTED.count(),
        sums.changes,
        sums.calls,
        sums.refused,
        sums.entries,
    ));
}
