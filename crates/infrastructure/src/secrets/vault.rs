//! `HashiCorp` Vault's key-value engine, version 2, and what speaks its protocol, such as `OpenBao`.

mod login;
mod trouble;

use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use rustify::clients::reqwest::Client as Transport;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{VaultClient, VaultClientSettings};
use vaultrs::kv2;

use self::login::Session;
pub use self::login::VaultLogin;
use self::trouble::Trouble;
use super::value::{self, not_found};
use crate::http::{ClientError, TrustedRoots};

/// A look-up takes no longer, a login included.
const LONGEST: Duration = Duration::from_secs(5);

/// Where a Vault is, and how the service proves itself to it.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// The server, without a path.
    pub address: Url,
    /// Where the key-value engine is mounted, usually `secret`.
    pub mount: String,
    /// The namespace, for a Vault that has them.
    pub namespace: Option<String>,
    /// The service's own proof.
    pub login: VaultLogin,
    /// Whose certificates are trusted.
    pub roots: TrustedRoots,
}

/// Secrets in a Vault. The name of a reference is the path below the mount, the field a member of the data there, the
/// version the number of a version. Without a field the data must have a single member, or one called `value`.
pub struct VaultStore {
    server: Server,
    mount: String,
    session: Session,
}

/// The way to the server, without a token.
struct Server {
    http: reqwest::Client,
    address: Url,
    namespace: Option<String>,
}

impl Server {
    /// vaultrs' client with our transport; its own would read the environment and follow redirects.
    fn client(&self, token: &SecretString) -> VaultClient {
        let token = token.expose_secret();
        let middle = EndpointMiddleware {
            token: token.to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        let settings = VaultClientSettings {
            address: self.address.clone(),
            ca_certs: Vec::new(),
            identity: None,
            timeout: None,
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: self.namespace.clone(),
            proxy: None,
        };
        VaultClient { http: Transport::new(self.address.as_str(), self.http.clone()), middle, settings }
    }
}

impl VaultStore {
    /// A store on that server, which is not asked yet.
    ///
    /// # Errors
    /// [`ClientError`] when the certificates cannot be used.
    pub fn new(settings: VaultSettings) -> Result<Self, ClientError> {
        let VaultSettings { address, mount, namespace, login, roots } = settings;
        let server = Server { http: super::client::build(&roots)?, address, namespace };
        Ok(Self { server, mount, session: Session::new(login) })
    }

    async fn read(&self, reference: &SecretRef, version: Option<u64>) -> Result<Map<String, Value>, Trouble> {
        let token = self.session.token(&self.server).await?;
        match self.read_as(&token, reference, version).await {
            // A token may be revoked before its time, or used up.
            Err(Trouble::Denied) if self.session.drop_if_held(&token).await => {
                let token = self.session.token(&self.server).await?;
                self.read_as(&token, reference, version).await
            }
            read => read,
        }
    }

    async fn read_as(
        &self,
        token: &SecretString,
        reference: &SecretRef,
        version: Option<u64>,
    ) -> Result<Map<String, Value>, Trouble> {
        let client = self.server.client(token);
        let data: Result<Option<Map<String, Value>>, _> = match version {
            Some(version) => kv2::read_version(&client, &self.mount, reference.name(), version).await,
            None => kv2::read(&client, &self.mount, reference.name()).await,
        };
        data.map_err(|error| Trouble::of_reading(&error))?.ok_or(Trouble::Deleted)
    }
}

#[async_trait]
impl SecretStore for VaultStore {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let version = reference.version().map(str::parse).transpose();
        let version = version.map_err(|_| not_found(reference, "names a version that is no number, as Vault's are"))?;
        let read = tokio::time::timeout(LONGEST, self.read(reference, version)).await;
        match read.unwrap_or(Err(Trouble::Slow)) {
            Ok(members) => value::pick_member(members, reference),
            Err(trouble) => {
                trouble.log(reference, &self.server.address);
                Err(trouble.explain(reference, &self.mount))
            }
        }
    }
}
