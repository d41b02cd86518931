//! Changes and calls without end, and what was acknowledged of them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::audit::{AuditFilter, ChainedEntry};
use domain::page::PageRequest;
use domain::repository::AuditTrail;
use serde_json::{Value, json};
use test_support::TestDatabase;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{UNLIMITED, connector};
use crate::support::exchange::{Answer, Request};
use crate::support::ledger::{reconcile, rows, wait_until_all_have_ended};
use crate::support::service::Service;
use crate::support::upstream::Upstream;

const CALLERS: usize = 4;
const CHANGERS: usize = 2;

/// The pause after an answer that the store is away.
const PAUSE: Duration = Duration::from_millis(20);

/// What was answered with success.
#[derive(Default)]
struct Acknowledged {
    /// Connectors that were registered.
    registered: Vec<String>,
    /// Those that were enabled after that.
    enabled: Vec<String>,
    /// The correlation ids of calls whose outcome was said to be recorded.
    called: Vec<String>,
    /// Answers that the store was away.
    refused: usize,
}

/// A service under load.
pub(super) struct Load {
    service: Service,
    upstream: Upstream,
    callers: JoinSet<()>,
    stop: CancellationToken,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

/// What came of it.
pub(super) struct Sums {
    pub(super) changes: usize,
    pub(super) calls: usize,
    pub(super) refused: usize,
    pub(super) entries: usize,
}

impl Load {
    /// A service on this database, with callers that go on until [`Self::judge`].
    pub(super) async fn start(database: TestDatabase) -> Self {
        let service = Service::on(database, &UNLIMITED);
        let upstream = Upstream::empty().await;
        let path = service.register_enabled(&connector(&upstream.base_url(), &json!({}))).await;
        let (stop, acknowledged) = (CancellationToken::new(), Arc::<Mutex<Acknowledged>>::default());
        let mut callers = JoinSet::new();
        for number in 0..CALLERS + CHANGERS {
            let caller = Caller { number, address: service.address(), acknowledged: Arc::clone(&acknowledged) };
            let (path, stop) = (path.clone(), stop.clone());
            callers.spawn(async move {
                let mut round = 0;
                while !stop.is_cancelled() {
                    round += 1;
                    if number < CALLERS { caller.call(&path, round).await } else { caller.change(round).await }
                }
            });
        }
        Self { service, upstream, callers, stop, acknowledged }
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    /// How many calls were acknowledged so far.
    pub(super) fn calls(&self) -> usize {
        self.acknowledged.lock().expect("not poisoned").called.len()
    }

    /// Ends the load: everything that was acknowledged is there, no call is left in progress, and the audit chain holds.
    pub(super) async fn judge(self) -> Sums {
        self.stop.cancel();
        self.callers.join_all().await;
        let database = self.service.database();
        wait_until_all_have_ended(database, Duration::from_secs(45)).await;
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock().expect("not poisoned"));
        let rows = rows(database).await;
        reconcile(&self.upstream.hits(), &rows);
        let successes: HashSet<&str> =
            rows.iter().filter(|row| row.status == "Success").map(|row| row.correlation.as_str()).collect();
        for call in &acknowledged.called {
            assert!(successes.contains(call.as_str()), "an acknowledged call is lost: {call}");
        }
        let stored = database.rows("SELECT id::text, status FROM connectors").await;
        let stored: HashSet<(&str, &str)> = stored.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        for id in &acknowledged.registered {
            let found = stored.contains(&(id.as_str(), "Enabled")) || stored.contains(&(id.as_str(), "Disabled"));
            assert!(found, "an acknowledged connector is lost: {id}");
        }
        for id in &acknowledged.enabled {
            assert!(stored.contains(&(id.as_str(), "Enabled")), "an acknowledged change is lost: {id}");
        }
        let entries = verify_chain(database).await;
        let written: HashSet<(String, &str)> =
            entries.iter().map(|entry| (entry.entry.subject.clone(), entry.entry.action.as_str())).collect();
        for (ids, action) in
            [(&acknowledged.registered, "connector.created"), (&acknowledged.enabled, "connector.enabled")]
        {
            for id in ids {
                assert!(
                    written.contains(&(format!("connectors/{id}"), action)),
                    "{action} of {id} is not in the audit"
                );
            }
        }
        Sums {
            changes: acknowledged.registered.len() + acknowledged.enabled.len(),
            calls: acknowledged.called.len(),
            refused: acknowledged.refused,
            entries: entries.len(),
        }
    }
}

struct Caller {
    number: usize,
    address: SocketAddr,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Caller {
    async fn call(&self, path: &str, round: usize) {
        let correlation = format!("load-{}.{round}", self.number);
        let call = json!({ "operationType": "push", "method": "POST", "endpoint": "/x", "body": {} });
        let request = Request::new(self.address, "POST", &format!("{path}/execute"));
        let answer = request.header("X-Correlation-ID", &correlation).json(&call).send().await;
        let Some(execution) = self.success(&answer).await else { return };
        // Where the store went away during the call, the log says why there was no further attempt.
        if execution["recorded"] == true && execution["log"]["status"] == "Success" {
            self.acknowledged.lock().expect("not poisoned").called.push(correlation);
        }
    }

    async fn change(&self, round: usize) {
        let name = format!("connector {}.{round}", self.number);
        let given = connector("https://api.example.com", &json!({ "name": name }));
        let request = Request::new(self.address, "POST", "/api/v1/connectors");
        let Some(created) = self.success(&request.json(&given).send().await).await else { return };
        let id = created["id"].as_str().expect("an id").to_owned();
        self.acknowledged.lock().expect("not poisoned").registered.push(id.clone());
        let request = Request::new(self.address, "POST", &format!("/api/v1/connectors/{id}/enable"));
        if self.success(&request.send().await).await.is_some() {
            self.acknowledged.lock().expect("not poisoned").enabled.push(id.clone());
        }
        let request = Request::new(self.address, "GET", &format!("/api/v1/connectors/{id}"));
        self.success(&request.send().await).await;
    }

    /// The body of a success; otherwise the store has to be what is away.
    async fn success(&self, answer: &Answer) -> Option<Value> {
        if matches!(answer.status, 200 | 201) {
            return Some(answer.json());
        }
        answer.problem(503, "store-unavailable");
        self.acknowledged.lock().expect("not poisoned").refused += 1;
        tokio::time::sleep(PAUSE).await;
        None
    }
}

/// The whole audit trail, from its beginning: without gaps, and every hash that of its entry behind the one before.
pub(crate) async fn verify_chain(database: &TestDatabase) -> Vec<ChainedEntry> {
    let storage = database.storage().await;
    let mut entries: Vec<ChainedEntry> = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { after, ..PageRequest::default() };
        let found = storage.list_entries(&AuditFilter::default(), &page).await.expect("a page");
        entries.extend(found.items);
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    let verified = storage.verify_chain(None).await.expect("verified");
    assert_eq!((verified.fault, usize::try_from(verified.entries)), (None, Ok(entries.len())));
    entries
}
