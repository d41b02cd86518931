//! moto: a server with the protocol of AWS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The region of everything in it.
const REGION: &str = "eu-central-1";

/// A running moto of a test's own. It ends with this value.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts it on a port that it picks itself.
    ///
    /// # Panics
    /// When `TEST_MOTO` is not set, or the program does not start.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
    pub fn start() -> Self {
        let program = std::env::var("TEST_MOTO")
            .unwrap_or_else(|_| panic!("TEST_MOTO is not set; run the tests with `bash .ci/test`"));
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("Running on http://")?;
            address.trim().parse().ok()
        });
        // Whoever writes into a pipe that nobody reads waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        let mut started = Self { child, address: ([127, 0, 0, 1], 0).into() };
        started.address = address.expect("moto says where it listens");
        started
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The region of everything in it.
    #[must_use]
    pub const fn region(&self) -> &'static str {
        REGION
    }

    /// An operation of Secrets Manager, such as `CreateSecret`, as somebody who may do everything.
    ///
    /// # Panics
    /// When it is refused.
    #[expect(clippy::must_use_candidate, reason = "most tests only want it done")]
    pub fn secrets(&self, operation: &str, members: &Value) -> Value {
        let target = format!("X-Amz-Target: secretsmanager.{operation}\r\n");
        let kind = "application/x-amz-json-1.1";
        let (status, body) = self.post("/", "secretsmanager", &target, kind, &members.to_string());
        assert_eq!(status, 200, "{operation}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Makes a secret with that text.
    pub fn create(&self, name: &str, text: &str) {
        self.secrets("CreateSecret", &json!({ "Name": name, "SecretString": text }));
    }

    /// Gives a secret another text; answers the id of the new version.
    ///
    /// # Panics
    /// When there is no such secret.
    #[expect(clippy::must_use_candidate, reason = "most tests only want it done")]
    pub fn put(&self, name: &str, text: &str) -> String {
        let put = self.secrets("PutSecretValue", &json!({ "SecretId": name, "SecretString": text }));
        put["VersionId"].as_str().expect("an id").to_owned()
    }

    /// Makes a user who may do nothing, and has rights judged from here on. Answers the id and the secret of its key.
    ///
    /// # Panics
    /// When moto refuses.
    #[must_use]
    pub fn judge_rights(&self) -> (String, String) {
        let kind = "application/x-www-form-urlencoded";
        let iam = |action: &str| {
            let form = format!("Action={action}&UserName=nobody&Version=2010-05-08");
            let (status, body) = self.post("/", "iam", "", kind, &form);
            assert_eq!(status, 200, "{action}: {body}");
            body
        };
        iam("CreateUser");
        let key = iam("CreateAccessKey");
        let text = |tag: &str| {
            let (_, rest) = key.split_once(&format!("<{tag}>")).expect("the tag");
            rest.split('<').next().unwrap_or_default().to_owned()
        };
        let (status, body) = self.post("/moto-api/reset-auth", "iam", "", "text/plain", "0");
        assert_eq!(status, 200, "{body}");
        (text("AccessKeyId"), text("SecretAccessKey"))
    }

    /// It keeps its connections and answers nothing from here on.
    ///
    /// # Panics
    /// When it has ended.
    pub fn fall_silent(&self) {
        let stop = format!("kill -STOP {}", self.child.id());
        assert!(Command::new("/bin/sh").args(["-c", &stop]).status().expect("a shell").success());
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn post(&self, path: &str, service: &str, header: &str, kind: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let credential = format!("Credential=test/20260101/{REGION}/{service}/aws4_request");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {kind}\r\n{header}\
             Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_owned())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}
