//! A secret store with the name `SecretStore` that holds what it is given, and can be down or slow.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use application::ports::{SecretError, SecretStore};
use async_trait::async_trait;
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};

use super::Journal;

pub(crate) struct ScriptedSecrets {
    state: Mutex<State>,
    journal: Journal,
}

#[derive(Default)]
struct State {
    values: HashMap<String, String>,
    /// What a look-up past the cache finds.
    newer: HashMap<String, String>,
    down: bool,
    delay: Duration,
}

impl ScriptedSecrets {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { state: Mutex::default(), journal }
    }

    pub(crate) fn put(&self, name: &str, value: &str) {
        self.state.lock().expect("not poisoned").values.insert(name.to_owned(), value.to_owned());
    }

    /// The secret has a new value, and the cache before the store still holds the old one.
    pub(crate) fn rotate_unseen(&self, name: &str, value: &str) {
        self.state.lock().expect("not poisoned").newer.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.state.lock().expect("not poisoned").values.remove(name);
    }

    pub(crate) fn go_down(&self) {
        self.state.lock().expect("not poisoned").down = true;
    }

    pub(crate) fn slow_down(&self, delay: Duration) {
        self.state.lock().expect("not poisoned").delay = delay;
    }

    fn look_up(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let state = self.state.lock().expect("not poisoned");
        if reference.store() != "SecretStore" {
            return Err(SecretError::UnknownStore { configured: vec!["SecretStore".to_owned()] });
        }
        if state.down {
            return Err(SecretError::Unavailable("the vault is sealed".to_owned()));
        }
        match state.values.get(reference.name()) {
            Some(value) => Ok(SecretString::from(value.as_str())),
            None => Err(SecretError::NotFound("there is no such secret".to_owned())),
        }
    }
}

#[async_trait]
impl SecretStore for ScriptedSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        self.journal.note("resolve");
        let delay = self.state.lock().expect("not poisoned").delay;
        tokio::time::sleep(delay).await;
        self.look_up(reference)
    }

    async fn renew(&self, reference: &SecretRef, refused: &SecretString) -> Result<SecretString, SecretError> {
        self.journal.note("renew");
        let mut state = self.state.lock().expect("not poisoned");
        let is_stale = state.values.get(reference.name()).is_some_and(|held| held == refused.expose_secret());
        if is_stale && let Some(newer) = state.newer.remove(reference.name()) {
            state.values.insert(reference.name().to_owned(), newer);
        }
        drop(state);
        self.look_up(reference)
    }
}
