//! The program serving on a database of its own, with upstreams on loopback open to it.

use std::mem;
use std::net::SocketAddr;

use serde_json::Value;
use test_support::{Engine, TestDatabase};

use super::exchange::{Answer, Request};
use super::program::{Program, Running};

const CONNECTORS: &str = "/api/v1/connectors";

/// As if every process on the store had been stopped for longer than a lease.
pub(crate) const LAPSE: &str = "UPDATE leases SET valid_until_ms = 0";

/// A running service. It ends with this value, and its database after it.
pub(crate) struct Service {
    running: Running,
    program: Program,
    database: TestDatabase,
}

impl Service {
    /// Without authentication.
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::configured(engine, &[]).await
    }

    /// With API keys.
    pub(crate) async fn with_keys(engine: Engine) -> Self {
        Self::configured(engine, &[("CONNECTORS_AUTH_MODE", "api-key")]).await
    }

    /// With these variables over the usual ones.
    pub(crate) async fn configured(engine: Engine, variables: &[(&str, &str)]) -> Self {
        Self::on(TestDatabase::start(engine).await, variables)
    }

    /// On this database.
    pub(crate) fn on(database: TestDatabase, variables: &[(&str, &str)]) -> Self {
        let usual = [
            ("CONNECTORS_DATABASE_URL", database.url()),
            ("CONNECTORS_ALLOW_HTTP", "true"),
            ("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.0/8"),
            // A test may ask as often as it likes; those of the limits set them.
            ("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0"),
            ("CONNECTORS_FAILED_LOGINS_PER_MINUTE", "0"),
        ];
        let program =
            usual.iter().chain(variables).fold(Program::new(), |program, (name, value)| program.with(name, value));
        Self { running: program.start(&["serve"]), program, database }
    }

    /// Its database.
    pub(crate) const fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The URL of its database.
    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Where it serves its metrics, where it was asked to. To be asked once.
    pub(crate) fn metrics_address(&mut self) -> SocketAddr {
        let line = self.running.wait_for_line("metrics are at http://");
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        line["address"].as_str().expect("an address").parse().expect("an address")
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.running.process()
    }

    /// SIGKILL, and a new process on the same store.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.running.signal("KILL");
        self.start_again();
    }

    /// The same, as if the lease of the killed process had lapsed before the new one starts.
    pub(crate) async fn kill_and_start_again_after_its_lease(&mut self) {
        self.running.signal("KILL");
        self.behind_its_back(LAPSE).await;
        self.start_again();
    }

    fn start_again(&mut self) {
        let ended = mem::replace(&mut self.running, self.program.start(&["serve"]));
        ended.wait();
    }

    /// One more replica on the same store.
    pub(crate) fn replica(&self) -> Running {
        self.program.start(&["serve"])
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// Ends the service, and answers the lines of its log with what else is needed after it.
    pub(crate) fn stop(self) -> (Vec<Value>, TestDatabase) {
        let lines = self.running.stop();
        let parsed = lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        (parsed, self.database)
    }

    /// Puts a secret into the store `SecretStore`.
    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        let path = self.program.directory().join("data/secrets").join(name);
        std::fs::write(path, format!("{value}\n")).expect("a secret");
    }

    /// Takes it away again.
    pub(crate) fn remove_secret(&self, name: &str) {
        let path = self.program.directory().join("data/secrets").join(name);
        std::fs::remove_file(path).expect("a secret");
    }

    /// Takes the whole store away.
    pub(crate) fn remove_secret_store(&self) {
        std::fs::remove_dir_all(self.program.directory().join("data/secrets")).expect("a directory of secrets");
    }

    /// Makes an API key of that name and role, and of those connectors where it is a service's.
    pub(crate) fn key(&self, name: &str, role: &str, connectors: &[&str]) -> String {
        let mut arguments = vec!["keys", "create", "--name", name, "--role", role];
        arguments.extend(connectors.iter().flat_map(|id| ["--connector", id]));
        self.program.succeed(&arguments).trim_end().to_owned()
    }

    /// Runs a statement on its database.
    pub(crate) async fn behind_its_back(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// Runs another command of the program on the same store.
    pub(crate) fn run(&self, arguments: &[&str]) {
        self.program.succeed(arguments);
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address(), method, target)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target).send().await
    }

    /// A POST without a body.
    pub(crate) async fn post_nothing(&self, target: &str) -> Answer {
        self.request("POST", target).send().await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.request("POST", target).json(body).send().await
    }

    pub(crate) async fn put(&self, target: &str, body: &Value) -> Answer {
        self.request("PUT", target).json(body).send().await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target).send().await
    }

    /// Registers a connector and answers its path.
    pub(crate) async fn register(&self, connector: &Value) -> String {
        let created = self.post(CONNECTORS, connector).await.expect(201);
        format!("{CONNECTORS}/{}", created["id"].as_str().expect("an id"))
    }

    /// Registers a connector, enables it and answers its path.
    pub(crate) async fn register_enabled(&self, connector: &Value) -> String {
        let path = self.register(connector).await;
        self.post_nothing(&format!("{path}/enable")).await.expect(200);
        path
    }

    /// Executes a call through the connector at that path, and answers the body of a 200.
    pub(crate) async fn execute(&self, connector: &str, call: &Value) -> Value {
        self.post(&format!("{connector}/execute"), call).await.expect(200)
    }

    /// The items of a list's first page.
    pub(crate) async fn items(&self, target: &str) -> Vec<Value> {
        let page = self.get(target).await.expect(200);
        page["items"].as_array().expect("items").clone()
    }
}
