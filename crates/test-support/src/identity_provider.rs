//! An OpenID Connect provider that publishes what a test wants, and signs whatever it is told to.

mod forgeries;
mod keys;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub use forgeries::Forgery;
pub use keys::SigningKey;

/// A provider on loopback, with a key for each algorithm that signs access tokens. It ends with this value.
#[derive(Debug)]
pub struct IdentityProvider {
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
    /// Its keys of the kinds `RS256`, `ES256` and `EdDSA`.
    pub keys: [SigningKey; 3],
}

#[derive(Debug)]
struct State {
    issuer: String,
    configuration: Value,
    key_set: Value,
    key_fetches: usize,
    requests: usize,
    status: u16,
    is_away: bool,
}

impl IdentityProvider {
    /// What its tokens are meant for.
    pub const AUDIENCE: &str = "connectors";

    /// A provider that publishes its keys.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let issuer = format!("http://{address}/realms/esg");
        let configuration = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let state = State {
            issuer,
            configuration,
            key_set: Value::Null,
            key_fetches: 0,
            requests: 0,
            status: 200,
            is_away: false,
        };
        let state = Arc::new(Mutex::new(state));
        let listening = tokio::spawn(accept(listener, state.clone()));
        let keys = [SigningKey::rsa("rsa-1"), SigningKey::p256("ec-1"), SigningKey::ed25519("ed-1")];
        let provider = Self { state, listening, keys };
        provider.publish(&provider.keys.each_ref());
        provider
    }

    /// Who it says that it is.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.state().issuer.clone()
    }

    /// Publishes these keys and no others.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.publish_set(&json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }));
    }

    /// Publishes this where its keys are.
    pub fn publish_set(&self, key_set: &Value) {
        self.state().key_set = key_set.clone();
    }

    /// Publishes this as its configuration.
    pub fn configure(&self, configuration: &Value) {
        self.state().configuration = configuration.clone();
    }

    /// Answers with this status from here on.
    pub fn answer_with(&self, status: u16) {
        self.state().status = status;
    }

    /// Hangs up on everybody, or stops doing so.
    pub fn be_away(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        self.state().key_fetches
    }

    /// How many connections were made, answered or not.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// The claims of a token that is good for ten minutes, with these over them; `null` takes one away.
    ///
    /// # Panics
    /// When `changes` is no object.
    #[must_use]
    pub fn claims(&self, changes: &Value) -> Value {
        let now = now();
        let mut claims = json!({
            "iss": self.issuer(),
            "aud": Self::AUDIENCE,
            "sub": "ana",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "roles": ["admin"],
        });
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").shift_remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    /// A token with these claims over the usual ones, signed with its RSA key.
    #[must_use]
    pub fn token(&self, changes: &Value) -> String {
        self.keys[0].token(&self.claims(changes))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a time after 1970").as_secs()
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, state.clone()));
    }
}

/// Answers one request, if it is one that a provider answers.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let is_away = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        state.is_away
    };
    if is_away {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match target {
            "/realms/esg/.well-known/openid-configuration" => (state.status, state.configuration.to_string()),
            "/realms/esg/keys" => {
                state.key_fetches += 1;
                (state.status, state.key_set.to_string())
            }
            _ => (404, "{}".to_owned()),
        }
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _gone = stream.write_all(answer.as_bytes()).await;
}
