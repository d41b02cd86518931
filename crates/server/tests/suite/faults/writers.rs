//! Very many changes at once, through replicas: one chain (SE-A-5).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use domain::repository::AuditTrail;
use serde_json::{Value, json};
use test_support::Engine::Postgres;
use tokio::task::JoinSet;

use super::counts::WRITTEN;
use super::{UNLIMITED, connector};
use crate::support::exchange::Request;
use crate::support::service::Service;

const WRITERS: usize = 100;

/// The pause after an answer that the store is away.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until it is done, and counts how often the store was said to be away: what is asked for has its effect once,
/// however often it is asked for.
async fn done(refused: &mut usize, request: impl Fn() -> Request) -> Value {
    loop {
        let answer = request().send().await;
        if matches!(answer.status, 200 | 201) {
            return answer.json();
        }
        answer.problem(503, "store-unavailable");
        *refused += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// One change after the other: a connector is registered, then switched to and fro. Answers the refusals.
async fn write(address: SocketAddr, number: usize, changes: usize) -> usize {
    let mut refused = 0;
    let name = format!("connector {number}");
    let given = connector("https://api.example.com", &json!({ "name": name }));
    let create = || Request::new(address, "POST", "/api/v1/connectors").header("Idempotency-Key", &name).json(&given);
    let created = done(&mut refused, create).await;
    let path = format!("/api/v1/connectors/{}", created["id"].as_str().expect("an id"));
    for change in 1..changes {
        let act = if change % 2 == 1 { "enable" } else { "disable" };
        done(&mut refused, || Request::new(address, "POST", &format!("{path}/{act}"))).await;
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn se_a_5_a_hundred_writers_on_three_replicas_keep_one_gapless_chain() {
    let service = Service::configured(Postgres, &UNLIMITED).await;
    let others = [service.replica(), service.replica()];
    let changes = WRITTEN.count();
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let address = if number % 3 == 0 { service.address() } else { others[number % 3 - 1].address };
        writers.spawn(write(address, number, changes));
    }
    let refused: usize = writers.join_all().await.into_iter().sum();
    let lasted = began.elapsed().as_secs_f64();

    let expected = WRITERS * changes;
    let entries = i64::try_from(expected).expect("not too many");
    let verified = service.database().storage().await.verify_chain(None).await.expect("verified");
    assert_eq!(verified.fault, None);
    assert_eq!((verified.entries, verified.sequence), (entries, entries));
    // The heads that the replicas told of are those of every entry.
    let mut told = BTreeSet::new();
    let mut lines: Vec<String> = others.into_iter().flat_map(crate::support::Running::stop).collect();
    let (own, database) = service.stop();
    lines.extend(own.iter().map(ToString::to_string));
    for line in lines {
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        if line["target"] == "audit_head" {
            told.insert(format!("{} {}", line["sequence"], line["hash"].as_str().expect("a hash")));
        }
    }
    let written = database.rows("SELECT sequence || ' ' || hash FROM audit_entries").await;
    assert_eq!(told, written.into_iter().flatten().collect());
    WRITTEN.reached(format_args!(
        "{WRITERS} writers, {changes} changes each on three replicas in {lasted:.1} s: {expected} entries in one chain, \
         {} heads told, {refused} answers 503",
        told.len(),
    ));
}
