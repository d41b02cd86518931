//! A service of the run, with everything in it that cases refer to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use test_support::{Engine, TestDatabase};

use super::connection::{Connection, Sent};
use super::digest::{Digest, Tables};
use super::document::Document;
use super::line::Deployment;
use super::requests::Requests;
use super::values::Values;
use crate::support::exchange::Answer;
use crate::support::service::Service;

const CONNECTORS: &str = "/api/v1/connectors";

/// A running deployment.
pub(super) struct Running {
    pub(super) service: Service,
    pub(super) document: Document,
    pub(super) values: Values,
    pub(super) metrics: SocketAddr,
    tables: Tables,
    /// What prepares and cleans up: it proves itself, and names the version that it changes.
    headers: Vec<(String, Vec<u8>)>,
}

impl Running {
    pub(super) async fn start(engine: Engine, deployment: Deployment, requests: &Requests) -> Self {
        let variables = [
            // One address alone, so that the others of this machine are denied like those of other machines.
            ("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.1"),
            // Bad credentials are part of the corpus, and each is to be judged by itself.
            ("CONNECTORS_FAILED_LOGINS_PER_MINUTE", "0"),
            ("CONNECTORS_METRICS_LISTEN", "127.0.0.1:0"),
            ("CONNECTORS_AUTH_MODE", if deployment == Deployment::Keys { "api-key" } else { "none" }),
            ("CONNECTORS_REQUIRE_IF_MATCH", if deployment == Deployment::Strict { "true" } else { "false" }),
        ];
        let mut service = Service::on(TestDatabase::start(engine).await, &variables);
        let metrics = service.metrics_address();
        let mut values = Values::default();
        let mut headers = vec![("If-Match".to_owned(), b"*".to_vec())];
        if deployment == Deployment::Keys {
            for (name, role) in &requests.keys {
                values.put(format!("key:{name}"), service.key(name, role, &[]));
            }
            headers.push(("Authorization".to_owned(), values.fill("Bearer {{key:admin}}").into_bytes()));
        }
        for (name, value) in &requests.secrets {
            service.put_secret(name, value);
        }
        let tables = Tables::of(engine, service.database()).await;
        let document = service.get("/openapi.json").await.expect(200);
        let mut running = Self { service, document: Document::new(document), values, metrics, tables, headers };
        running.furnish(requests).await;
        running
    }

    /// The connectors, some calls that were skipped, and cursors into the lists of all of them.
    async fn furnish(&mut self, requests: &Requests) {
        let mut connection = self.connection();
        for (attempt, (name, connector)) in requests.connectors.iter().enumerate() {
            let values = self.values.of_request(0, attempt);
            let id = self.register(&mut connection, connector, &values).await;
            self.values.put(format!("id:{name}"), id);
            self.values.put(format!("name:{name}"), format!("Corpus 0 {attempt} {name}"));
        }
        let plain = self.values.fill("/api/v1/connectors/{{id:plain}}/execute");
        let call = json!({ "operationType": "pull", "endpoint": "/employees" });
        for _ in 0..3 {
            let skipped = self.prepare(&mut connection, "POST", &plain, Some(&call)).await;
            self.values.put("log", text_at(&skipped, "/log/id"));
        }
        for (name, list) in &requests.cursors {
            let page = self.prepare(&mut connection, "GET", &self.values.fill(list), None).await;
            let cursor = text_at(&page, "/nextCursor");
            for (edit, edited) in edits(&cursor) {
                self.values.put(format!("cursor:{name}:{edit}"), edited);
            }
        }
    }

    pub(super) fn connection(&self) -> Connection {
        Connection::to(self.service.address())
    }

    pub(super) async fn digest(&self) -> Digest {
        self.tables.digest(self.service.database()).await
    }

    /// Registers a connector; answers its id.
    pub(super) async fn register(&self, connection: &mut Connection, connector: &Value, values: &Values) -> String {
        let connector = serde_json::from_str(&values.fill(&connector.to_string())).expect("JSON");
        let created = self.prepare(connection, "POST", CONNECTORS, Some(&connector)).await;
        text_at(&created, "/id")
    }

    /// Disables and deletes the connector at this path.
    pub(super) async fn remove(&self, connection: &mut Connection, path: &str) {
        self.prepare(connection, "POST", &format!("{path}/disable"), None).await;
        self.prepare(connection, "DELETE", path, None).await;
    }

    /// Sends what a case needs and is not about; answers the body.
    pub(super) async fn prepare(
        &self,
        connection: &mut Connection,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Value {
        let mut headers = self.headers.clone();
        headers.push(("Content-Type".to_owned(), b"application/json".to_vec()));
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let sent = Sent { method: method.to_owned(), target: target.as_bytes().to_vec(), headers, body };
        let answer: Answer = connection.send(&sent).await.unwrap_or_else(|fault| panic!("{method} {target}: {fault}"));
        assert!(answer.status < 300, "{method} {target}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }
}

fn text_at(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {body}")).to_owned()
}

/// The cursor, and what somebody could make of it.
fn edits(cursor: &str) -> BTreeMap<&'static str, String> {
    let mut sealed = URL_SAFE_NO_PAD.decode(cursor).expect("base64");
    let changed = |at: usize| {
        let mut sealed = sealed.clone();
        sealed[at] ^= 1;
        URL_SAFE_NO_PAD.encode(sealed)
    };
    let last = sealed.len() - 1;
    let mut edits = BTreeMap::from([
        ("whole", cursor.to_owned()),
        ("first-bit", changed(0)),
        ("position-bit", changed(last / 4)),
        ("seal-bit", changed(last - 8)),
        ("last-bit", changed(last)),
        ("without-last", cursor[..cursor.len() - 1].to_owned()),
        ("without-first", cursor[1..].to_owned()),
        ("half", cursor[..cursor.len() / 2].to_owned()),
        ("twice", cursor.repeat(2)),
        ("upper", cursor.to_uppercase()),
        ("lower", cursor.to_lowercase()),
        ("reversed", cursor.chars().rev().collect()),
        ("without-position", URL_SAFE_NO_PAD.encode(&sealed[sealed.len() - 16..])),
        ("without-seal", URL_SAFE_NO_PAD.encode(&sealed[..sealed.len() - 16])),
        ("zero-seal", URL_SAFE_NO_PAD.encode([&sealed[..sealed.len() - 16], &[0; 16]].concat())),
        // `%2B`, `%2F` and `%3D` are what the other alphabet needs in a query.
        ("padded", format!("{cursor}%3D")),
        (
            "other-alphabet",
            STANDARD
                .encode([&sealed[..], &[0xfb, 0xff]].concat())
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D"),
        ),
    ]);
    sealed.insert(0, b'0');
    edits.insert("longer-position", URL_SAFE_NO_PAD.encode(&sealed));
    edits
}
