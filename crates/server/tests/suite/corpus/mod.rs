//! The bad input that has to be refused, as data (`tests/corpus`), sent to the built program on both engines. What holds
//! for every case: the answer is one that the served OpenAPI document declares, with a correlation id; a refusal is a
//! documented problem; the refused value is in no answer, log line, metric or row; nothing has changed; and the process
//! is alive. Benign look-alikes have to pass.
//!
//! The cases make URLs up, so that all of it runs in a network that holds nothing but loopback.

mod connection;
mod deployment;
mod digest;
mod document;
mod line;
mod load;
mod oracles;
mod requests;
mod run;
mod store;
mod text;
mod upstream;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use test_support::Engine::{self, Postgres, Sqlite};
use test_support::TestDatabase;

use self::deployment::Running;
use self::line::Deployment;
use self::load::Corpus;
use self::run::{Faults, Numbered, Run};
use crate::faults::names::Names;
use crate::faults::namespace::isolated_with;
use crate::faults::packets::Packets;
use crate::support::canary::dump;

/// The least that the corpus has; it grows with every bug.
const LEAST: usize = 3_000;

#[test]
fn bad_input_is_refused_on_sqlite() {
    isolated_with(&bad_input_is_refused_on_sqlite, &[], refuse(Sqlite));
}

#[test]
fn bad_input_is_refused_on_postgresql() {
    let outside = store::Outside::open();
    let socket = outside.socket();
    let variables = [(store::SOCKET, socket.to_str().expect("a path"))];
    isolated_with(&bad_input_is_refused_on_postgresql, &variables, async {
        store::lead_inside().await;
        refuse(Postgres).await;
    });
}

async fn refuse(engine: Engine) {
    let corpus = Corpus::load();
    assert!(corpus.cases.len() >= LEAST, "{} cases", corpus.cases.len());
    // No name is looked up when a connector is saved; if one is, nothing that it leads to is outside.
    let _names = Names::serve(|name, _| panic!("somebody looks {name} up")).await;
    let packets = Packets::watch();
    let requests = Arc::new(corpus.requests);
    let mut faults = Faults::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for deployment in [Deployment::Open, Deployment::Keys, Deployment::Strict] {
        let cases: Vec<_> =
            corpus.cases.iter().filter(|(of, _)| *of == deployment).map(|(_, case)| case.clone()).collect();
        for numbered in &cases {
            *counts.entry(numbered.category).or_default() += 1;
        }
        let running = Running::start(engine, deployment, &requests).await;
        let process = running.service.process();
        let run = Run::new(running, Arc::clone(&requests)).await.all(&cases).await;
        faults.extend(ended(engine, run, process, &cases).await);
    }
    let beyond = packets.beyond_loopback().await;
    if !beyond.is_empty() {
        faults.entry("all".to_owned()).or_default().push(format!("packets to {beyond:?}"));
    }
    assert!(faults.is_empty(), "{}", told(&faults));
    for (category, count) in &counts {
        crate::faults::counts::say(&format!("corpus {engine:?}: {category} {count}"));
    }
    crate::faults::counts::say(&format!("corpus {engine:?}: {} cases", counts.values().sum::<usize>()));
}

/// What holds at the end of a deployment's run.
async fn ended(engine: Engine, run: Run, process: u32, cases: &[Numbered]) -> Faults {
    let Run { running, mut faults, .. } = run;
    let mut note = |name: String, fault: String| faults.entry(name).or_default().push(fault);
    let live = running.service.get("/livez").await;
    if live.status != 200 || running.service.process() != process {
        note("all".to_owned(), "the process is not the one that was started".to_owned());
    }
    let scrape = crate::support::exchange::exchange(
        running.metrics,
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    let metrics = scrape.text().to_owned();
    let (lines, database): (_, TestDatabase) = running.service.stop();
    let held = dump(engine, &database).await;
    let mut log = String::new();
    for line in &lines {
        // Errors of the process alone (a lease that lapses on a machine that is overloaded) are not of a case.
        let of_a_request = line["correlation_id"].is_string();
        if (of_a_request && line["level"] == "ERROR")
            || line["message"].as_str().is_some_and(|said| said.contains("panic"))
        {
            note("log".to_owned(), line.to_string());
        }
        let _infallible = writeln!(log, "{line}");
    }
    for (place, text) in [("the log", log), ("the metrics", metrics), ("the database", held)] {
        for (number, around) in values::found(&text) {
            let name =
                cases.iter().find(|numbered| numbered.number == number).map_or("nobody".to_owned(), Numbered::named);
            note(name, format!("the refused value is in {place}: {around}"));
        }
    }
    faults
}

/// The faults, the first of them whole.
fn told(faults: &Faults) -> String {
    let mut told = format!("{} cases end otherwise than they should:\n", faults.len());
    for (name, found) in faults.iter().take(400) {
        let _infallible = writeln!(told, "- {name}: {}", found.join("; "));
    }
    told
}
