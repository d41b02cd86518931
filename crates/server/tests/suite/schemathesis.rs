//! The served OpenAPI document beside what the service does: schemathesis makes requests of it, valid ones and invalid
//! ones, and judges every answer. `.ci/fuzz` runs it with the counts as the requirements have them.
//!
//! It makes connectors up, and enables and executes them: the network holds nothing but loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::{PostgresServer, TestDatabase};

use crate::faults::counts::{FUZZED, whole};
use crate::faults::load::verify_chain;
use crate::faults::names::Names;
use crate::faults::namespace::isolated;
use crate::support::canary::{assert_clean, dump};
use crate::support::exchange::exchange;
use crate::support::ledger::{rows, wait_until_all_have_ended};
use crate::support::service::Service;
use crate::support::upstream::{Reply, Upstream};

/// Where the program is.
const PROGRAM: &str = "TEST_SCHEMATHESIS";

/// The value of the one secret, which the document's examples name. Evidently none.
const SECRET: &str = "canary-of-the-fuzzer-0123456789";

#[test]
fn the_service_does_what_its_document_says_on_sqlite() {
    isolated(&the_service_does_what_its_document_says_on_sqlite, async {
        agree(Sqlite, TestDatabase::start(Sqlite).await).await;
    });
}

#[test]
fn the_service_does_what_its_document_says_on_postgresql() {
    isolated(&the_service_does_what_its_document_says_on_postgresql, async {
        // The server of the other tests is in the network outside.
        let server = PostgresServer::start();
        agree(Postgres, TestDatabase::on(&server).await).await;
    });
}

async fn agree(engine: Engine, database: TestDatabase) {
    let _names = Names::serve(|_, _| Vec::new()).await;
    let upstream = Upstream::start(|_, _| {
        Reply::json(&json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 60, "data": [{ "kWh": 1.5 }] }))
    })
    .await;
    let mut service = Service::on(
        database,
        &[
            ("CONNECTORS_AUTH_MODE", "api-key"),
            ("CONNECTORS_FAILED_LOGINS_PER_MINUTE", "0"),
            ("CONNECTORS_METRICS_LISTEN", "127.0.0.1:0"),
        ],
    );
    service.put_secret("HR-ApiKey", SECRET);
    let key = service.key("fuzzer", "admin", &[]);
    let keys = service.request("GET", "/api/v1/keys").key(&key).send().await.expect(200);
    let id = keys["items"][0]["id"].as_str().expect("an id").to_owned();
    let fuzzer = Fuzzer::new(key, id, upstream.base_url());
    let (metrics, process) = (service.metrics_address(), service.process());
    let (mut rounds, mut requests) = (0, 0);
    while rounds == 0 || requests < FUZZED.count() {
        rounds += 1;
        fuzzer.run(&service, rounds).await;
        requests = answered(metrics).await;
    }
    assert_eq!((service.get("/livez").await.status, service.process()), (200, process));
    wait_until_all_have_ended(service.database(), Duration::from_secs(45)).await;
    let (calls, entries) = (rows(service.database()).await.len(), verify_chain(service.database()).await.len());
    assert_every_change_has_an_entry(service.database()).await;
    assert!(calls > 0 && entries > 0, "nothing was done");
    service.run(&["audit", "verify"]);
    let (log, database) = service.stop();
    for line in &log {
        // The fuzzer brings anchors that it made up, which is an alarm as it should be; the trail itself was judged above.
        let is_alarm = line["security_event"] == "audit-invalid";
        assert!(line["level"] != "ERROR" || is_alarm, "{line}");
        assert!(!line["message"].to_string().contains("panic"), "{line}");
    }
    let log: String = log.iter().map(ToString::to_string).collect();
    let secrets = [SECRET, fuzzer.key.as_str()];
    assert_clean("the log", &log, &secrets);
    assert_clean("the database", &dump(engine, &database).await, &secrets);
    FUZZED.reached(format_args!(
        "{requests} requests made of the document on {engine:?} in {rounds} rounds, {calls} calls, {entries} changes"
    ));
}

/// Every version of a connector is in the audit: nothing changed a row behind it.
async fn assert_every_change_has_an_entry(database: &TestDatabase) {
    let unsaid = "SELECT CAST(id AS TEXT) FROM connectors c WHERE version <> \
         (SELECT count(*) FROM audit_entries a WHERE a.connector_id = c.id)";
    assert_eq!(database.rows(unsaid).await, Vec::<Vec<String>>::new());
}

/// How many requests the service has answered so far, none of them with 500.
async fn answered(metrics: SocketAddr) -> usize {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {metrics}\r\nConnection: close\r\n\r\n");
    let text = exchange(metrics, request.as_bytes()).await.text().to_owned();
    let counted = text.lines().filter(|line| line.starts_with("connectors_http_requests_total{"));
    let mut sum = 0;
    for line in counted {
        assert!(!line.contains("status=\"500\""), "{line}");
        let (_, count) = line.rsplit_once(' ').expect("a value");
        sum += count.parse::<usize>().expect("a count");
    }
    sum
}

/// schemathesis, as it is set up beside this file.
struct Fuzzer {
    key: String,
    /// The id of the key.
    id: String,
    upstream: String,
    settings: PathBuf,
    directory: TempDir,
}

impl Fuzzer {
    fn new(key: String, id: String, upstream: String) -> Self {
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/schemathesis");
        Self { key, id, upstream, settings, directory: TempDir::new().expect("a directory") }
    }

    /// One round over the whole document, without a failure.
    async fn run(&self, service: &Service, round: usize) {
        let seed = round.to_string();
        // Of one operation in one phase; some more come with the edges of every schema.
        let extent: &[&str] = if whole() {
            &["--max-examples", "500", "--seed", &seed, "--generation-database", "none"]
        } else {
            &["--max-examples", "12", "--generation-deterministic"]
        };
        let mut command = Command::new(program());
        command
            .current_dir(self.directory.path())
            .env("SCHEMATHESIS_HOOKS", self.settings.join("hooks.py"))
            .env("SCHEMATHESIS_KEY_ID", &self.id)
            .env("SCHEMATHESIS_UPSTREAM", &self.upstream)
            .env("NO_PROXY", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg("--config-file")
            .arg(self.settings.join("schemathesis.toml"))
            .args(["run", &format!("http://{}/openapi.json", service.address()), "--no-color", "--checks", "all"])
            .args(["--header", &format!("Authorization: Bearer {}", self.key)])
            .args(["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"])
            .args(extent)
            .stdin(Stdio::null());
        let running = tokio::task::spawn_blocking(move || command.output());
        let ended = running.await.expect("it is waited for").expect("schemathesis can be run");
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "round {round}: {said}");
        assert_clean("what schemathesis was answered", &said, &[SECRET]);
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn program() -> String {
    std::env::var(PROGRAM).unwrap_or_else(|_| panic!("{PROGRAM} is not set; run the tests with `bash .ci/test`"))
}
