//! Azure Key Vault.

mod credential;
mod transport;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use azure_core::http::{ClientOptions, RetryOptions, Transport as SdkTransport};
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use domain::secret_ref::SecretRef;
use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

pub use self::credential::AzureCredential;
use self::transport::Transport;
use self::trouble::Trouble;
use super::value::{self, not_found};
use crate::http::{ClientError, TrustedRoots};

/// A look-up takes no longer, the service's own login included.
const LONGEST: Duration = Duration::from_secs(5);

/// Where a Key Vault is, and how the service proves itself to it.
#[derive(Debug, Clone)]
pub struct AzureSettings {
    /// The vault, such as `https://contoso.vault.azure.net`.
    pub vault_url: Url,
    /// The service's own proof.
    pub credential: AzureCredential,
    /// Where tokens come from, for clouds other than the public one.
    pub authority_url: Option<Url>,
    /// What tokens are for, such as `https://vault.azure.net`, where the host of `vault_url` does not end in it. The
    /// service gets no token for anything else, whatever the vault asks for.
    pub resource: Option<String>,
    /// Whose certificates are trusted.
    pub roots: TrustedRoots,
}

/// Secrets in an Azure Key Vault. The name of a reference is the name of the secret, the field a member of its value as
/// JSON, the version a version's id.
pub struct AzureStore {
    settings: AzureSettings,
    transport: Arc<Transport>,
    client: Mutex<Option<Arc<SecretClient>>>,
}

impl AzureStore {
    /// A store on that vault, which is not asked yet.
    ///
    /// # Errors
    /// [`ClientError`] when the certificates cannot be used.
    pub fn new(settings: AzureSettings) -> Result<Self, ClientError> {
        let transport = Arc::new(Transport::new(&settings.roots)?);
        Ok(Self { settings, transport, client: Mutex::default() })
    }

    /// The client with the token that it holds, and whether it is a new one.
    async fn client(&self) -> Result<(Arc<SecretClient>, bool), Trouble> {
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref() {
            return Ok((client.clone(), false));
        }
        let client = Arc::new(self.connect().await?);
        Ok((held.insert(client).clone(), true))
    }

    /// Forgets a client whose proof or token was refused. The next one reads the proof's file again.
    async fn forget(&self, refused: &Arc<SecretClient>) {
        let mut held = self.client.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, refused)) {
            *held = None;
        }
    }

    async fn connect(&self) -> Result<SecretClient, Trouble> {
        // One try: a vault that throttles may ask for longer waits than the caller has.
        let options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(SdkTransport::new(self.transport.clone())),
            ..ClientOptions::default()
        };
        let credential = self.settings.credential.connect(&self.settings, options.clone()).await?;
        let options = SecretClientOptions {
            client_options: options,
            verify_challenge_resource: Some(self.settings.resource.is_none()),
            ..SecretClientOptions::default()
        };
        SecretClient::new(self.settings.vault_url.as_str(), credential, Some(options))
            .map_err(|error| Trouble::of_proof(&error))
    }

    async fn read(&self, reference: &SecretRef) -> Result<Option<String>, Trouble> {
        let (client, is_new) = self.client().await?;
        let read = read_with(&client, reference).await;
        if !read.as_ref().is_err_and(Trouble::is_refused_proof) {
            return read;
        }
        self.forget(&client).await;
        if is_new {
            return read;
        }
        let (client, _) = self.client().await?;
        let read = read_with(&client, reference).await;
        if read.as_ref().is_err_and(Trouble::is_refused_proof) {
            self.forget(&client).await;
        }
        read
    }
}

async fn read_with(client: &SecretClient, reference: &SecretRef) -> Result<Option<String>, Trouble> {
    let secret_version = reference.version().map(str::to_owned);
    let options = SecretClientGetSecretOptions { secret_version, ..SecretClientGetSecretOptions::default() };
    let answer = client.get_secret(reference.name(), Some(options)).await;
    let secret = answer.map_err(|error| Trouble::of(&error))?.into_model();
    Ok(secret.map_err(|_| Trouble::strange("its answer is no secret".to_owned()))?.value)
}

#[async_trait]
impl SecretStore for AzureStore {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        if !reference.name().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            let what = "cannot exist: names in Azure Key Vault are made of letters, digits and `-`";
            return Err(not_found(reference, what));
        }
        let read = tokio::time::timeout(LONGEST, self.read(reference)).await.unwrap_or_else(|_| Err(Trouble::slow()));
        match read {
            Ok(held) => value::pick(held.unwrap_or_default().into(), reference),
            Err(trouble) => {
                trouble.log(reference, &self.settings.vault_url);
                Err(trouble.explain(reference))
            }
        }
    }
}
