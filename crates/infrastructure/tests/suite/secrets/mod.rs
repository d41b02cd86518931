//! The secret stores, against real files and a made-up environment.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod cache;
mod env;
mod file;
mod stores;
mod vault;

use application::ports::{SecretError, SecretStore};
use domain::secret_ref::SecretRef;
use secrecy::ExposeSecret;

/// What a store gives for a reference, with the value in the open.
async fn resolve(store: &dyn SecretStore, reference: &str) -> Result<String, SecretError> {
    let reference = SecretRef::parse(reference).expect("a reference");
    store.resolve(&reference).await.map(|secret| secret.expose_secret().to_owned())
}

fn not_found(text: &str) -> Result<String, SecretError> {
    Err(SecretError::NotFound(text.to_owned()))
}
