//! Secret stores, a file per kind. Values live in `SecretString`; error texts name a reference, never a value or a
//! place on this machine.

mod env;
mod file;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::SecretString;

pub use env::EnvStore;
pub use file::FileStore;

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
}

#[async_trait]
impl SecretStore for SecretStores {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        match self.stores.get(reference.store()) {
            Some(store) => store.resolve(reference).await,
            None => Err(SecretError::UnknownStore { configured: self.stores.keys().cloned().collect() }),
        }
    }
}
