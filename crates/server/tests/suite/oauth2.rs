//! A connector with `OAuth2`, its authorization server a certified one that nobody here wrote, which also answers as the
//! upstream: it takes the tokens that it issued and did not revoke (SE-S-7, RT-12).

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;
use serde_json::{Value, json};
use test_support::Engine::{self, Postgres, Sqlite};

use crate::support::canary::{assert_clean, dump, percent_encoded};
use crate::support::exchange::exchange;
use crate::support::service::Service;
use crate::support::upstream::connector;

const CLIENT_SECRET: &str = "c4nary/S3cret+of=HR~42";

/// The running server; it ends with this value.
pub(crate) struct Provider {
    child: Child,
    pub(crate) origin: String,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(environment("TEST_NODE"));
        command.arg(environment("TEST_OIDC_PROVIDER")).env("CLIENT_SECRET", CLIENT_SECRET);
        // It ends when its standard input does, whatever becomes of this process.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Node.js starts");
        let mut complaints = child.stderr.take().expect("a pipe");
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            complaints.read_to_string(&mut text).ok();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let mut started = Self { child, origin: String::new() };
        assert!(!line.is_empty(), "the server does not start: {:?}", complaints.join());
        let said: Value = serde_json::from_str(&line).expect("a line of JSON");
        said["origin"].as_str().expect("an origin").clone_into(&mut started.origin);
        started
    }

    async fn ask(&self, method: &str, target: &str) -> Value {
        let address = self.origin.strip_prefix("http://").expect("an origin").parse().expect("an address");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        exchange(address, head.as_bytes()).await.expect(200)
    }

    /// An access token for this service, a JWT signed with that algorithm.
    pub(crate) async fn jwt(&self, client: &str, algorithm: &str) -> String {
        let address = self.origin.strip_prefix("http://").expect("an origin").parse().expect("an address");
        let body = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={}&resource=urn:connectors:{algorithm}",
            percent_encoded(CLIENT_SECRET)
        );
        let basic = STANDARD.encode(format!("{client}:{}", percent_encoded(CLIENT_SECRET)));
        let (proof, body) = if client == "hr-basic" {
            let body = format!("grant_type=client_credentials&resource=urn:connectors:{algorithm}");
            (format!("Authorization: Basic {basic}\r\n"), body)
        } else {
            (String::new(), body)
        };
        let head = format!(
            "POST /token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{proof}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let issued = exchange(address, head.as_bytes()).await.expect(200);
        issued["access_token"].as_str().unwrap_or_else(|| panic!("{issued}")).to_owned()
    }

    /// The tokens that were issued so far.
    async fn tokens(&self) -> Vec<String> {
        let issued = self.ask("GET", "/issued").await;
        let tokens = issued["tokens"].as_array().expect("tokens");
        tokens.iter().map(|token| token.as_str().expect("a token").to_owned()).collect()
    }

    /// Takes them all back.
    async fn revoke(&self) {
        self.ask("DELETE", "/issued").await;
    }

    fn connector(&self, client: &str, way: &str) -> Value {
        let members = json!({
            "rateLimitPerMinute": 0,
            "authenticationType": "OAuth2",
            "authenticationSecretRef": "SecretStore:client",
            "authenticationSettings": {
                "tokenUrl": format!("{}/token", self.origin), "clientId": client, "scopes": ["hr.read"],
                "clientAuthentication": way,
            },
        });
        connector(&format!("{}/api", self.origin), &members)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `bash .ci/test`"))
}

async fn pull(service: &Service, connector: &str) -> Value {
    let call = json!({ "operationType": "pull", "endpoint": "/employees" });
    service.execute(connector, &call).await
}

#[rstest]
#[tokio::test]
async fn se_s_7_and_rt_12_tokens_of_a_certified_server_are_used_renewed_and_seen_nowhere(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(("hr-basic", "Basic"), ("hr-post", "Post"))] client: (&str, &str),
) {
    let provider = Provider::start();
    let service = Service::configured(engine, &[("CONNECTORS_LOG_LEVEL", "trace")]).await;
    service.put_secret("client", CLIENT_SECRET);
    let (id, way) = client;
    let path = service.register_enabled(&provider.connector(id, way)).await;
    let mut answers = String::new();

    // What is answered can be saved again.
    let shown = service.get(&path).await.expect(200);
    assert_eq!(shown["authenticationSettings"]["clientAuthentication"], way);
    assert_eq!(service.put(&path, &shown).await.expect(200), shown);

    // Many calls, also at once, and one token.
    let calls = (0..10).map(|_| pull(&service, &path));
    for execution in futures_util::future::join_all(calls).await {
        assert_eq!(execution["log"]["status"], "Success", "{execution:#}");
        assert_eq!(execution["log"]["attemptCount"], 1);
        let body = &execution["response"]["body"];
        assert_eq!(
            (&body["client"], &body["scope"], &body["sent"]),
            (&json!(id), &json!("hr.read"), &json!("[REDACTED]"))
        );
        answers.push_str(&execution.to_string());
    }
    assert_eq!(provider.tokens().await.len(), 1);

    // The token is taken back: one attempt more, with another one.
    provider.revoke().await;
    let execution = pull(&service, &path).await;
    assert_eq!((&execution["log"]["status"], &execution["log"]["attemptCount"]), (&json!("Success"), &json!(2)));
    let log = execution["log"]["id"].as_str().expect("an id");
    let page = service.get(&format!("/api/v1/connectors/logs/{log}")).await;
    let attempts = page.expect(200)["attempts"].clone();
    assert_eq!((&attempts[0]["httpStatusCode"], &attempts[1]["httpStatusCode"]), (&json!(401), &json!(200)));
    assert_eq!((&attempts[1]["waitReason"], &attempts[1]["waitedMs"]), (&json!("credential-renewed"), &json!(0)));
    answers.push_str(&execution.to_string());
    answers.push_str(page.text());
    assert_eq!(pull(&service, &path).await["log"]["attemptCount"], 1);
    let tokens = provider.tokens().await;
    assert_eq!(tokens.len(), 2);

    // A client that the server does not know by this secret gets no token, and its upstream sees nothing.
    service.put_secret("client", "c4nary-wrong-secret");
    // The right one, which was read, counts for a second.
    let begun = Instant::now();
    let execution = loop {
        let execution = pull(&service, &path).await;
        if execution["log"]["status"] == "Failed" {
            break execution;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the old secret goes on");
    };
    let log = &execution["log"];
    assert_eq!((&log["errorCode"], &log["attemptCount"]), (&json!("oauth-token-failed"), &json!(0)), "{log}");
    assert!(log["errorMessage"].as_str().expect("a message").contains("invalid_client"), "{log}");
    assert_eq!(log["retryable"], false);
    answers.push_str(&execution.to_string());

    for target in ["/api/v1/connectors", "/api/v1/connectors/logs", "/api/v1/audit"] {
        answers.push_str(service.get(target).await.text());
    }
    let secrets = [CLIENT_SECRET, "c4nary-wrong-secret", &tokens[0], &tokens[1]];
    assert_clean("an answer", &answers, &secrets);
    let (lines, database) = service.stop();
    assert_clean("the log", &json!(lines).to_string(), &secrets);
    let rows = dump(engine, &database).await;
    assert!(rows.contains("SecretStore:client") && rows.contains("[REDACTED]"));
    assert_clean("the database", &rows, &secrets);
}
