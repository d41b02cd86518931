//! Running the cases of one deployment: those that are to be refused many at once, the others one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use super::connection::Connection;
use super::deployment::Running;
use super::line::Case;
use super::oracles::Findings;
use super::requests::Requests;
use super::upstream::Upstream;
use super::values::{self, marks};
use crate::support::exchange::Answer;

/// Connections that are used at once.
const LANES: usize = 4;

/// Cases after which the database is compared with what it was before them.
const BATCH: usize = 400;

/// A case with its number in the run, and the file that it is from.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) category: &'static str,
    pub(super) case: Arc<Case>,
}

impl Numbered {
    pub(super) fn named(&self) -> String {
        format!("{}: {}", self.category, self.case.name)
    }
}

/// What is wrong, by the names of the cases.
pub(super) type Faults = BTreeMap<String, Vec<String>>;

/// The run of one deployment.
pub(super) struct Run {
    pub(super) running: Running,
    requests: Arc<Requests>,
    upstream: Upstream,
    pub(super) faults: Faults,
}

impl Run {
    pub(super) async fn new(running: Running, requests: Arc<Requests>) -> Self {
        Self { running, requests, upstream: Upstream::start().await, faults: Faults::new() }
    }

    fn note(&mut self, name: String, found: Vec<String>) {
        if !found.is_empty() {
            self.faults.entry(name).or_default().extend(found);
        }
    }

    /// Runs all cases.
    pub(super) async fn all(mut self, cases: &[Numbered]) -> Self {
        let (refused, accepted): (Vec<_>, Vec<_>) =
            cases.iter().cloned().partition(|numbered| numbered.case.expect.refuses());
        for batch in refused.chunks(BATCH) {
            self.batch(batch).await;
        }
        // Calls first: the database is compared before and after each of them, and holds little yet.
        let (calls, others): (Vec<_>, Vec<_>) =
            accepted.into_iter().partition(|numbered| numbered.case.upstream.is_some());
        let mut connection = self.running.connection();
        for numbered in calls.iter().chain(&others) {
            let found = if numbered.case.upstream.is_some() {
                self.called(&mut connection, numbered).await
            } else {
                self.accepted(&mut connection, numbered).await
            };
            self.note(numbered.named(), found);
        }
        self
    }

    /// Cases that change nothing. If something has changed all the same, each is sent once more by itself.
    async fn batch(&mut self, batch: &[Numbered]) {
        let before = self.running.digest().await;
        let lanes = (0..LANES).map(|lane| self.lane(batch.iter().skip(lane).step_by(LANES)));
        for (name, found) in join_all(lanes).await.into_iter().flatten() {
            self.note(name, found);
        }
        if let Some(difference) = self.running.digest().await.difference(&before) {
            self.find_culprits(batch, &difference).await;
        }
    }

    async fn lane(&self, cases: impl Iterator<Item = &Numbered>) -> Vec<(String, Vec<String>)> {
        let mut connection = self.running.connection();
        let mut found = Vec::new();
        for numbered in cases {
            found.push((numbered.named(), self.refused(&mut connection, numbered, 0).await));
        }
        found
    }

    async fn find_culprits(&mut self, batch: &[Numbered], difference: &str) {
        let mut connection = self.running.connection();
        let mut culprits = 0;
        for numbered in batch {
            let before = self.running.digest().await;
            self.refused(&mut connection, numbered, 1).await;
            if let Some(difference) = self.running.digest().await.difference(&before) {
                culprits += 1;
                self.note(numbered.named(), vec![format!("it changed something: {difference}")]);
            }
        }
        if culprits == 0 {
            let names = format!("{} to {}", batch[0].named(), batch[batch.len() - 1].named());
            self.note(names, vec![format!("together they changed something, and none of them alone: {difference}")]);
        }
    }

    /// A case that is to be refused.
    async fn refused(&self, connection: &mut Connection, numbered: &Numbered, attempt: usize) -> Vec<String> {
        let values = self.running.values.of_request(numbered.number, attempt);
        let sent = values::request(&numbered.case, &self.requests, &values);
        let answer = match connection.send(&sent).await {
            Ok(answer) => answer,
            Err(fault) => return vec![fault],
        };
        let mut findings = Findings::of(&self.running.document, &sent, &answer);
        findings.expect(&values.expectation(&numbered.case.expect));
        findings.expect_nothing_of(&marks(numbered.number));
        findings.into_found()
    }

    /// A case that passes, through connectors of its own, which go with it.
    async fn accepted(&self, connection: &mut Connection, numbered: &Numbered) -> Vec<String> {
        let mut values = self.running.values.of_request(numbered.number, 0);
        let own = self.own(connection, numbered, &mut values).await;
        let sent = values::request(&numbered.case, &self.requests, &values);
        let found = match connection.send(&sent).await {
            Ok(answer) => {
                let mut findings = Findings::of(&self.running.document, &sent, &answer);
                findings.expect(&values.expectation(&numbered.case.expect));
                findings.expect_nothing_of(&marks(numbered.number));
                let found = findings.into_found();
                if let Some(path) = created(&answer) {
                    self.running.remove(connection, &path).await;
                }
                found
            }
            Err(fault) => vec![fault],
        };
        let deleted = sent.method == "DELETE" && found.is_empty();
        for path in own.iter().filter(|path| !(deleted && sent.path() == **path)) {
            self.running.remove(connection, path).await;
        }
        found
    }

    /// Connectors like those that the case refers to; answers their paths.
    async fn own(&self, connection: &mut Connection, numbered: &Numbered, values: &mut values::Values) -> Vec<String> {
        let request = self.requests.request(&numbered.case.on);
        let target = numbered.case.target.as_ref().unwrap_or(&request.target);
        let mut paths = Vec::new();
        for (attempt, (name, connector)) in self.requests.connectors.iter().enumerate() {
            let placeholder = format!("id:{name}");
            if target.contains(&placeholder) && request.method != "GET" {
                let named = self.running.values.of_request(numbered.number, attempt + 2);
                let id = self.running.register(connection, connector, &named).await;
                paths.push(format!("/api/v1/connectors/{id}"));
                values.put(placeholder, id);
            }
        }
        paths
    }

    /// A call that goes out, to an upstream that answers as the case says.
    async fn called(&self, connection: &mut Connection, numbered: &Numbered) -> Vec<String> {
        let script = numbered.case.upstream.as_ref().expect("a script");
        let mut values = self.running.values.of_request(numbered.number, 0);
        let name = numbered.case.on.clone();
        let mut connector = self.requests.connectors[&name].clone();
        connector["endpointBaseUrl"] = self.upstream.answer(numbered.number, script, &values).into();
        let id = self.running.register(connection, &connector, &values).await;
        let path = format!("/api/v1/connectors/{id}");
        values.put(format!("id:{name}"), id);
        self.running.prepare(connection, "POST", &format!("{path}/enable"), None).await;
        let before = self.running.digest().await;
        let sent = values::request(&numbered.case, &self.requests, &values);
        let mut found = match connection.send(&sent).await {
            Ok(answer) => {
                let mut findings = Findings::of(&self.running.document, &sent, &answer);
                findings.expect(&values.expectation(&numbered.case.expect));
                findings.expect_nothing_of(&marks(numbered.number));
                if answer.status == 200 && answer.json()["recorded"] != Value::Bool(true) {
                    findings.note("the call was not recorded");
                }
                findings.into_found()
            }
            Err(fault) => vec![fault],
        };
        if let Some(difference) = self.running.digest().await.beside_one_call(&before) {
            found.push(format!("it changed more than a call does: {difference}"));
        }
        self.running.remove(connection, &path).await;
        found
    }
}

fn created(answer: &Answer) -> Option<String> {
    if answer.status == 201 { answer.header("location").map(str::to_owned) } else { None }
}
