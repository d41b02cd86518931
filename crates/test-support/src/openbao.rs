//! A server with Vault's protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the program is.
const OPENBAO: &str = "TEST_OPENBAO";

/// An unsealed `OpenBao` that keeps everything in memory, with a key-value engine of version 2 at `secret`. It ends
/// when this is dropped.
pub struct OpenBao {
    child: Child,
    address: SocketAddr,
    _home: TempDir,
}

impl OpenBao {
    /// The token that may do everything.
    pub const ROOT_TOKEN: &str = "root-token-of-a-test";

    /// Starts a server.
    ///
    /// # Panics
    /// When there is no such program: a suite that skips a store says nothing about it.
    #[must_use]
    pub fn start() -> Self {
        // It does not say which port the system has picked, so it is told one, which may be taken meanwhile.
        (0..5).find_map(|_| Self::start_on(free_port())).expect("OpenBao starts")
    }

    fn start_on(address: SocketAddr) -> Option<Self> {
        let home = TempDir::new().expect("a temporary directory");
        let mut child = Command::new(program())
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={address}"))
            .arg(format!("-dev-root-token-id={}", Self::ROOT_TOKEN))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenBao can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let started = Self { child, address, _home: home };
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("server started!"))?;
        // Whoever writes into a pipe that nobody reads waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        Some(started)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a new version of a secret.
    pub fn put_secret(&self, name: &str, members: &Value) {
        self.tell("POST", &format!("secret/data/{name}"), &json!({ "data": members }));
    }

    /// A new token, which may do what `policy` says and lives for `ttl`, such as `1h`.
    ///
    /// # Panics
    /// When there is none in the answer.
    #[must_use]
    pub fn token(&self, policy: &str, ttl: &str) -> String {
        self.tell("PUT", "sys/policies/acl/test", &json!({ "policy": policy }));
        let created = self.ask("POST", "auth/token/create", &json!({ "policies": ["test"], "ttl": ttl }));
        created["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Has the server do something, as root.
    ///
    /// # Panics
    /// When the answer is no success.
    pub fn tell(&self, method: &str, path: &str, body: &Value) {
        let _done = self.ask(method, path, body);
    }

    /// Asks the server as root.
    ///
    /// # Panics
    /// When the answer is no success.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        // HTTP/1.0 answers are neither chunked nor kept alive.
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
            Self::ROOT_TOKEN,
            body.len()
        );
        let mut connection = TcpStream::connect(self.address).expect("OpenBao listens");
        connection.write_all(request.as_bytes()).expect("OpenBao reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("OpenBao answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(head.split(' ').nth(1).map(|status| &status[..1]), Some("2"), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> SocketAddr {
    let probe = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    probe.local_addr().expect("an address")
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
fn program() -> String {
    std::env::var(OPENBAO).unwrap_or_else(|_| panic!("{OPENBAO} is not set; run the tests with `bash .ci/test`"))
}
