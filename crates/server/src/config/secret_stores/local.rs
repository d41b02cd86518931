//! The kinds that keep secrets on this machine.

use std::path::PathBuf;

use super::super::keys::{self, PREFIX};
use super::super::raw::Wrong;
use super::{DEFAULT_STORE, Kind, SecretStoreConfig, StoreReader};

/// Where the default store keeps its files.
const DEFAULT_PATH: &str = "data/secrets";

pub(super) static FILE: Kind = Kind { name: "file", members: &["path"], read: file };

pub(super) static ENV: Kind = Kind { name: "env", members: &["prefix"], read: env };

fn file(reader: &mut StoreReader<'_>) -> Option<SecretStoreConfig> {
    let default = (reader.name == DEFAULT_STORE).then_some(DEFAULT_PATH);
    let path = reader.text("path", "the path of a directory", default)?;
    Some(SecretStoreConfig::File { path: PathBuf::from(path) })
}

/// An empty prefix would make every variable a secret, and one that covers our own would hand out the password of
/// the database.
fn env(reader: &mut StoreReader<'_>) -> Option<SecretStoreConfig> {
    let expects = "what the names of the variables begin with, such as `SECRET_`";
    let prefix = reader.parsed("prefix", expects, None, |text| {
        if covers_a_key(text) {
            let reason = format!("covers the variables of the configuration ({PREFIX}…); choose another");
            return Err(Wrong::Because(reason));
        }
        Ok(text.to_owned())
    })?;
    Some(SecretStoreConfig::Env { prefix })
}

/// Whether a store with this prefix would take the value of a key for a secret, and hand it out.
fn covers_a_key(prefix: &str) -> bool {
    PREFIX.starts_with(prefix) || keys::ALL.iter().any(|key| key.variable().starts_with(prefix))
}
