//! Secret stores, a file per kind. Values live in `SecretString`; error texts name a reference, never a value or a
//! place on this machine.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod cache;
pub(crate) mod client;
mod env;
pub(crate) mod exchange;
mod file;
mod value;
mod vault;

use std::collections::BTreeMap;
use std::sync::Arc;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::SecretString;

#[cfg(feature = "aws")]
pub use aws::{AwsSettings, AwsStore};
#[cfg(feature = "azure")]
pub use azure::{AzureCredential, AzureSettings, AzureStore};
pub use cache::CachedStore;
pub use env::EnvStore;
pub use file::FileStore;
pub use vault::{VaultLogin, VaultSettings, VaultStore};

/// The deployment's stores by their configured names. A reference goes to the store that it names.
#[derive(Clone, Default)]
pub struct SecretStores {
    stores: BTreeMap<String, Arc<dyn SecretStore>>,
}

impl SecretStores {
    /// The stores under their names. Names are compared as they are written.
    #[must_use]
    pub const fn new(stores: BTreeMap<String, Arc<dyn SecretStore>>) -> Self {
        Self { stores }
    }

    fn store_of(&self, reference: &SecretRef) -> Result<&dyn SecretStore, SecretError> {
        let store = self.stores.get(reference.store());
        store
            .map(AsRef::as_ref)
            .ok_or_else(|| SecretError::UnknownStore { configured: self.stores.keys().cloned().collect() })
    }
}

#[async_trait]
impl SecretStore for SecretStores {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        self.store_of(reference)?.resolve(reference).await
    }

    async fn renew(&self, reference: &SecretRef, stale: &SecretString) -> Result<SecretString, SecretError> {
        self.store_of(reference)?.renew(reference, stale).await
    }
}
