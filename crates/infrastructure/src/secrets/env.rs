//! Secrets in environment variables.

use std::collections::HashMap;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::SecretString;

use super::value::{self, not_found};

/// Secrets from the variables that were there when the service started. The variable of a secret is the store's
/// prefix and the name in upper case, with `_` for everything outside `A-Z 0-9`: under the prefix `SECRET_`,
/// `hr/api-key` is `SECRET_HR_API_KEY`. Names that differ only in such characters share a variable.
#[derive(Clone)]
pub struct EnvStore {
    prefix: String,
    variables: HashMap<String, SecretString>,
}

impl EnvStore {
    /// A store over `variables`, of which those with the prefix are kept. The caller reads the environment: only the
    /// server's configuration may.
    pub fn new(prefix: impl Into<String>, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let prefix = prefix.into();
        let variables = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(name, value)| (name, value.into()))
            .collect();
        Self { prefix, variables }
    }

    fn variable(&self, name: &str) -> String {
        let upper = name.chars().map(|character| match character.to_ascii_uppercase() {
            kept @ ('A'..='Z' | '0'..='9') => kept,
            _ => '_',
        });
        self.prefix.chars().chain(upper).collect()
    }
}

#[async_trait]
impl SecretStore for EnvStore {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        if reference.version().is_some() {
            return Err(not_found(reference, "names a version, and the environment keeps no versions"));
        }
        let held = self.variables.get(&self.variable(reference.name()));
        value::pick(held.cloned().ok_or_else(|| not_found(reference, "does not exist"))?, reference)
    }
}
