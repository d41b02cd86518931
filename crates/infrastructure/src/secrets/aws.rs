//! AWS Secrets Manager.

mod transport;
mod trouble;

use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use domain::secret_ref::SecretRef;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use url::Url;

use self::transport::Transport;
use self::trouble::{Kind, Trouble};
use super::value;
use crate::http::{ClientError, TrustedRoots};

/// A look-up takes no longer, the service's own credentials included.
const LONGEST: Duration = Duration::from_secs(5);

/// A refusal that may pass, such as throttling, is asked about once more, soon enough for the whole.
const ATTEMPTS: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The shortest id of a version; what is shorter is a stage, such as `AWSPREVIOUS`.
const SHORTEST_VERSION_ID: usize = 32;

/// Where the secrets are, and how they are called there.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The region; `None` is the one that the environment, the profile or the machine says.
    pub region: Option<String>,
    /// Another address of the service, such as an endpoint of a private network.
    pub endpoint_url: Option<Url>,
    /// What stands before the name of a reference to make it the name of a secret. May be empty.
    pub prefix: String,
    /// Whose certificates are trusted.
    pub roots: TrustedRoots,
}

/// Secrets in AWS Secrets Manager. The name of a reference is the name of the secret after the prefix, the field a
/// member of its text as JSON, the version a version's id or stage. The service proves itself with AWS's default chain:
/// environment, profile, web identity, container, machine.
pub struct AwsStore {
    settings: AwsSettings,
    transport: Transport,
    credentials: Option<SharedCredentialsProvider>,
    client: OnceCell<Client>,
}

impl AwsStore {
    /// A store that is not asked yet.
    ///
    /// # Errors
    /// [`ClientError`] when the certificates cannot be used.
    pub fn new(settings: AwsSettings) -> Result<Self, ClientError> {
        let transport = Transport::new(&settings.roots)?;
        Ok(Self { settings, transport, credentials: None, client: OnceCell::new() })
    }

    /// With these credentials in place of those of the default chain.
    #[must_use]
    pub fn with_credentials(mut self, credentials: SharedCredentialsProvider) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The region may have to be asked from the machine, so the first look-up waits for it, not the start.
    async fn client(&self) -> Result<&Client, Trouble> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(self.transport.clone())
            .retry_config(retry);
        if let Some(region) = &self.settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(Kind::NoRegion.into());
        }
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&shared);
        if let Some(url) = &self.settings.endpoint_url {
            config = config.endpoint_url(url.as_str());
        }
        Ok(Client::from_conf(config.build()))
    }

    async fn read(&self, reference: &SecretRef) -> Result<GetSecretValueOutput, Trouble> {
        let name = format!("{}{}", self.settings.prefix, reference.name());
        let request = self.client().await?.get_secret_value().secret_id(name);
        let request = match reference.version() {
            Some(id) if id.len() >= SHORTEST_VERSION_ID => request.version_id(id),
            Some(stage) => request.version_stage(stage),
            None => request,
        };
        request.send().await.map_err(|error| Trouble::of(&error))
    }
}

#[async_trait]
impl SecretStore for AwsStore {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let read = tokio::time::timeout(LONGEST, self.read(reference)).await.unwrap_or(Err(Kind::Slow.into()));
        let held = read.and_then(|answer| answer.secret_string.ok_or(Kind::Binary.into()));
        match held {
            Ok(held) => value::pick(held.into(), reference),
            Err(trouble) => {
                trouble.log(reference);
                Err(trouble.explain(reference))
            }
        }
    }
}
