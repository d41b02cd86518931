//! The built service as a process: everything as shipped but for what would bound the load.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::client::{Connection, Target};
use crate::{API_KEY, Failure};

/// How long the start may take; it makes the schema.
const PATIENCE: Duration = Duration::from_secs(30);

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Auth {
    /// Not at all.
    None,
    /// With an API key.
    ApiKey,
}

/// A running service; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    _killed_on_drop: Child,
    _directory: TempDir,
    /// The execution of its one connector.
    pub(crate) execute: Target,
}

impl Service {
    /// Starts the program over an empty database, registers a connector for the upstream, and enables it.
    pub(crate) async fn start(
        program: &Path,
        database_url: &str,
        auth: Auth,
        upstream: SocketAddr,
    ) -> Result<Self, Failure> {
        let directory = TempDir::new()?;
        fs::write(directory.path().join("hr-api-key"), API_KEY)?;
        let log = directory.path().join("log");
        let key = match auth {
            Auth::None => None,
            Auth::ApiKey => Some(create_key(command(program, database_url, directory.path())).await?),
        };
        let mut command = command(program, database_url, directory.path());
        if key.is_some() {
            command.env("CONNECTORS_AUTH_MODE", "api-key");
        }
        // As in production, its lines go to a file rather than to somebody who has to read them.
        let child = command.arg("serve").stderr(File::create(&log)?).kill_on_drop(true).spawn()?;
        let address = address(&log).await?;
        let execute = register(address, key, upstream).await?;
        Ok(Self { _killed_on_drop: child, _directory: directory, execute })
    }
}

fn command(program: &Path, database_url: &str, secrets: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(secrets)
        .stdin(Stdio::null())
        .env("CONNECTORS_LISTEN", "127.0.0.1:0")
        .env("CONNECTORS_DATABASE_URL", database_url)
        .env("CONNECTORS_ALLOW_HTTP", "true")
        .env("CONNECTORS_ALLOWED_DESTINATIONS", "127.0.0.1")
        .env("CONNECTORS_LOG_FORMAT", "json")
        .env("CONNECTORS_INBOUND_LIMIT_PER_MINUTE", "0")
        .env("CONNECTORS_EXECUTION_MAX_CONCURRENT_CALLS_PER_CONNECTOR", "1000")
        .env("CONNECTORS_SECRET_STORES_SECRETSTORE_PATH", secrets);
    command
}

async fn create_key(mut command: Command) -> Result<String, Failure> {
    let created = command.args(["keys", "create", "--name", "benchmark", "--role", "admin"]).output().await?;
    if created.status.success() {
        Ok(String::from_utf8(created.stdout)?.trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&created.stderr).into())
    }
}

/// Where the service listens, as its log says.
async fn address(log: &Path) -> Result<SocketAddr, Failure> {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log)?;
        if let Some((_, rest)) = text.split_once("listening on http://") {
            let length = rest.find('"').unwrap_or(rest.len());
            return Ok(rest[..length].parse()?);
        }
        if Instant::now() > end {
            return Err(format!("the service did not start:\n{text}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn register(address: SocketAddr, key: Option<String>, upstream: SocketAddr) -> Result<Target, Failure> {
    let connectors = "/api/v1/connectors";
    let at = |path: String| Target { address, path, key: key.clone() };
    let connector = json!({
        "name": "HR system",
        "connectorType": "HR",
        "endpointBaseUrl": format!("http://{upstream}"),
        "authenticationType": "ApiKey",
        "authenticationSecretRef": "SecretStore:hr-api-key",
        "capabilities": ["pull"],
        "rateLimitPerMinute": 0,
    });
    let mut creating = Connection::open(at(connectors.to_owned())).await?;
    let created: Value = serde_json::from_slice(&creating.post(Bytes::from(connector.to_string())).await?)?;
    let id = created["id"].as_str().ok_or("a connector without an id")?;
    let mut enabling = Connection::open(at(format!("{connectors}/{id}/enable"))).await?;
    enabling.post(Bytes::from_static(br#"{"reason":"benchmark"}"#)).await?;
    Ok(at(format!("{connectors}/{id}/execute")))
}
