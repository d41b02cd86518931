//! A server that speaks the protocol of Azure Key Vault, and that of Microsoft Entra's tokens, over TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use url::{Url, form_urlencoded};

/// What tokens are for.
const RESOURCE: &str = "https://vault.azure.net";

/// A vault with its directory. It ends with this value.
#[derive(Debug)]
pub struct KeyVault {
    address: SocketAddr,
    authority: String,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    secrets: BTreeMap<String, Vec<Version>>,
    proof: String,
    tokens: BTreeSet<String>,
    logins: usize,
    resource: String,
    scripted: Option<(u16, Value)>,
    is_silent: bool,
}

#[derive(Debug, Clone)]
struct Version {
    id: String,
    value: String,
    is_enabled: bool,
}

impl KeyVault {
    /// The directory that it belongs to.
    pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    /// The application that may log in.
    pub const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
    /// What tokens are for.
    pub const RESOURCE: &str = RESOURCE;

    /// An empty vault; `proof` is the application's secret or assertion.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(proof: &str) -> Self {
        let (acceptor, authority) = certified();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            address: Some(address),
            resource: RESOURCE.to_owned(),
            proof: proof.to_owned(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let listening = tokio::spawn(accept(listener, acceptor, state.clone()));
        Self { address, authority, state, listening }
    }

    /// Where it is, its directory too.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The authority of its certificate, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Gives a secret a new version; answers its id.
    #[expect(clippy::must_use_candidate, reason = "few tests ask for the version")]
    pub fn put(&self, name: &str, value: &str) -> String {
        let mut state = self.state();
        let versions = state.secrets.entry(name.to_owned()).or_default();
        let id = format!("{:032x}", versions.len() + 1);
        versions.push(Version { id: id.clone(), value: value.to_owned(), is_enabled: true });
        id
    }

    /// Disables every version of a secret.
    pub fn disable(&self, name: &str) {
        for version in self.state().secrets.get_mut(name).into_iter().flatten() {
            version.is_enabled = false;
        }
    }

    /// Deletes a secret.
    pub fn delete(&self, name: &str) {
        self.state().secrets.remove(name);
    }

    /// Takes another proof from here on, and none of the tokens that it gave.
    pub fn rotate_proof(&self, proof: &str) {
        let mut state = self.state();
        proof.clone_into(&mut state.proof);
        state.tokens.clear();
    }

    /// Asks for tokens for something else.
    pub fn ask_for(&self, resource: &str) {
        resource.clone_into(&mut self.state().resource);
    }

    /// Answers everything that has a token with this.
    pub fn answer(&self, status: u16, body: Value) {
        self.state().scripted = Some((status, body));
    }

    /// Takes connections and answers nothing.
    pub fn fall_silent(&self) {
        self.state().is_silent = true;
    }

    /// Stops listening; answers when connections are refused.
    pub async fn stop_listening(&self) {
        self.listening.abort();
        while !self.listening.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// How many tokens it gave.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.state().logins
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for KeyVault {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn certified() -> (TlsAcceptor, String) {
    infrastructure::http::install_crypto_provider();
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a configuration");
    (TlsAcceptor::from(Arc::new(config)), issuer.pem())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, acceptor.clone(), state.clone()));
    }
}

/// One request and its answer. A client that leaves is no fault.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    if lock(&state).is_silent {
        std::future::pending::<()>().await;
    }
    let (status, body, challenge) = lock(&state).respond(&head, &String::from_utf8_lossy(&body));
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json; charset=utf-8\r\n{challenge}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn refusal(code: &str, inner: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "innererror": { "code": inner } } })
}

impl State {
    fn respond(&mut self, head: &str, body: &str) -> (u16, Value, String) {
        let mut line = head.split(' ');
        let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        let url = Url::parse("https://vault").and_then(|base| base.join(target)).expect("a target");
        if method == "POST" && url.path() == format!("/{}/oauth2/v2.0/token", KeyVault::TENANT) {
            let (status, body) = self.give_token(body);
            return (status, body, String::new());
        }
        let token = header(head, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.tokens.contains(token)) {
            let directory = format!("https://{}/{}", self.address.expect("an address"), KeyVault::TENANT);
            let challenge =
                format!("WWW-Authenticate: Bearer authorization=\"{directory}\", resource=\"{}\"\r\n", self.resource);
            let body =
                json!({ "error": { "code": "Unauthorized", "message": "AKV10000: Request is missing a token." } });
            return (401, body, challenge);
        }
        let (status, body) = match &self.scripted {
            Some(scripted) => scripted.clone(),
            None if method == "GET" && url.query_pairs().any(|(name, _)| name == "api-version") => self.secret(&url),
            None => (400, refusal("BadParameter", "BadParameter", "api-version must be specified")),
        };
        (status, body, String::new())
    }

    fn give_token(&mut self, form: &str) -> (u16, Value) {
        let form: BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let has = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
        if !has("client_secret", &self.proof) && !has("client_assertion", &self.proof) {
            let given = form.get("client_secret").or_else(|| form.get("client_assertion"));
            let description = format!("AADSTS7000215: Invalid client secret provided: {given:?}");
            let body = json!({
                "error": "invalid_client", "error_codes": [7_000_215], "error_description": description,
            });
            return (401, body);
        }
        let fits = has("client_id", KeyVault::CLIENT)
            && has("grant_type", "client_credentials")
            && has("scope", &format!("{RESOURCE}/.default"));
        if !fits {
            return (400, json!({ "error": "invalid_request", "error_codes": [900_144], "error_description": "" }));
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        self.tokens.insert(token.clone());
        let body = json!({
            "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token,
        });
        (200, body)
    }

    fn secret(&self, url: &Url) -> (u16, Value) {
        let mut path = url.path_segments().into_iter().flatten();
        let (Some("secrets"), Some(name)) = (path.next(), path.next()) else {
            return (404, json!({ "error": { "code": "NotFound", "message": "no such path" } }));
        };
        let wanted = path.next().filter(|version| !version.is_empty());
        let mut versions = self.secrets.get(name).into_iter().flatten();
        let found = versions.rfind(|version| wanted.is_none_or(|wanted| version.id == wanted));
        let Some(version) = found else {
            let message = format!("A secret with (name/id) {name} was not found in this key vault.");
            return (404, json!({ "error": { "code": "SecretNotFound", "message": message } }));
        };
        if !version.is_enabled {
            let message = "Operation get is not allowed on a disabled secret.";
            return (403, refusal("Forbidden", "SecretDisabled", message));
        }
        let id = format!("https://{}/secrets/{name}/{}", self.address.expect("an address"), version.id);
        let attributes = json!({ "enabled": true, "created": 1_700_000_000, "updated": 1_700_000_000 });
        (200, json!({ "value": version.value, "id": id, "attributes": attributes }))
    }
}
