//! The secret stores of the deployment.

use std::path::PathBuf;

use domain::secret_ref;

use super::fault::{ConfigFaults, Origin};
use super::keys::{self, PREFIX, STORE_MEMBERS};
use super::raw::{self, Raw, Wrong};
use super::settings::{Settings, StoreSettings};

/// The store that is there without configuration.
pub(crate) const DEFAULT_STORE: &str = "SecretStore";

/// Where the default store keeps its files.
pub(crate) const DEFAULT_PATH: &str = "data/secrets";

/// A store and where its secrets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretStoreConfig {
    /// One file per secret in this directory.
    File { path: PathBuf },
    /// One environment variable per secret, under this prefix.
    Env { prefix: String },
}

/// Reads the stores, `SecretStore` always among them.
pub(crate) fn read(settings: &mut Settings) -> Vec<(String, SecretStoreConfig)> {
    let Settings { stores, faults, .. } = settings;
    let read = stores.iter().filter_map(|(name, store)| {
        let origin = store.origin.clone().unwrap_or(Origin::Default);
        if !secret_ref::is_store(name) {
            let fault = "a secret store is named with 1 to 32 letters, digits, `_` and `-`, beginning with a letter";
            faults.push(&origin, format!("`{name}`: {fault}"));
            return None;
        }
        Some((name.clone(), StoreReader { name, store, origin, faults }.read()?))
    });
    read.collect()
}

struct StoreReader<'a> {
    name: &'a str,
    store: &'a StoreSettings,
    origin: Origin,
    faults: &'a mut ConfigFaults,
}

impl StoreReader<'_> {
    fn read(mut self) -> Option<SecretStoreConfig> {
        let kind = match self.store.member("kind") {
            Some(kind) => self.kind(&kind.value, &kind.origin)?,
            None if self.name == DEFAULT_STORE => "file",
            None => {
                self.fault(&self.origin.clone(), "kind", "is missing; it is `file` or `env`");
                return None;
            }
        };
        self.refuse_members_beside(if kind == "file" { "path" } else { "prefix" }, kind);
        if kind == "file" { self.file() } else { self.env() }
    }

    fn kind(&mut self, value: &Raw, origin: &Origin) -> Option<&'static str> {
        match raw::text(value) {
            Ok("file") => return Some("file"),
            Ok("env") => return Some("env"),
            Ok(kind @ ("vault" | "aws" | "azure")) => {
                let reason = format!("is `{kind}`, which a later version brings; in this one it is `file` or `env`");
                self.fault(origin, "kind", &reason);
            }
            _ => self.fault(origin, "kind", "must be `file` or `env`"),
        }
        None
    }

    fn file(mut self) -> Option<SecretStoreConfig> {
        match self.store.member("path").map(|path| (raw::text(&path.value), &path.origin)) {
            Some((Ok(path), _)) => Some(SecretStoreConfig::File { path: PathBuf::from(path) }),
            Some((Err(wrong), origin)) => self.refuse(origin, "path", wrong, "the path of a directory"),
            None if self.name == DEFAULT_STORE => Some(SecretStoreConfig::File { path: DEFAULT_PATH.into() }),
            None => self.refuse(&self.origin.clone(), "path", Wrong::Unexpected, "the path of a directory"),
        }
    }

    /// An empty prefix would make every variable a secret, and one that covers our own would hand out the password of
    /// the database.
    fn env(mut self) -> Option<SecretStoreConfig> {
        const EXPECTS: &str = "what the names of the variables begin with, such as `SECRET_`";
        let Some(prefix) = self.store.member("prefix") else {
            return self.refuse(&self.origin.clone(), "prefix", Wrong::Unexpected, EXPECTS);
        };
        match raw::text(&prefix.value) {
            Ok(text) if covers_a_key(text) => {
                let reason = format!("covers the variables of the configuration ({PREFIX}…); choose another");
                self.refuse(&prefix.origin, "prefix", Wrong::Because(reason), EXPECTS)
            }
            Ok(text) => Some(SecretStoreConfig::Env { prefix: text.to_owned() }),
            Err(wrong) => self.refuse(&prefix.origin, "prefix", wrong, EXPECTS),
        }
    }

    fn refuse_members_beside(&mut self, wanted: &str, kind: &str) {
        for (member, sourced) in self.store.members().filter(|(member, _)| *member != "kind" && *member != wanted) {
            // What a command presumes steps back where the deployment chose another kind.
            if sourced.origin == Origin::Default {
                continue;
            }
            let reason = if STORE_MEMBERS.contains(&member) {
                format!("does not belong to a store of the kind `{kind}`, which has `{wanted}`")
            } else {
                format!("is no key of a secret store; a store of the kind `{kind}` has `{wanted}`")
            };
            self.faults.push(&sourced.origin, format!("`secret_stores.{}.{member}` {reason}", self.name));
        }
    }

    fn refuse(&mut self, origin: &Origin, member: &str, wrong: Wrong, expects: &str) -> Option<SecretStoreConfig> {
        match wrong {
            Wrong::Because(reason) => self.fault(origin, member, &reason),
            Wrong::Unexpected => self.fault(origin, member, &format!("must be {expects}")),
        }
        None
    }

    fn fault(&mut self, origin: &Origin, member: &str, reason: &str) {
        self.faults.push(origin, format!("`secret_stores.{}.{member}` {reason}", self.name));
    }
}

/// Whether a store with this prefix would take the value of a key for a secret, and hand it out.
fn covers_a_key(prefix: &str) -> bool {
    PREFIX.starts_with(prefix) || keys::ALL.iter().any(|key| key.variable().starts_with(prefix))
}
