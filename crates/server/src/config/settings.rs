//! The sources laid over each other, before their values mean anything.

use std::collections::BTreeMap;

use super::fault::{ConfigFaults, Origin};
use super::keys::Key;
use super::raw::{Raw, Wrong};

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Sourced<T> {
    pub value: T,
    pub origin: Origin,
}

/// What the sources say about one secret store, by member.
#[derive(Debug, Default)]
pub(crate) struct StoreSettings {
    /// Where the store is named first.
    pub origin: Option<Origin>,
    members: BTreeMap<String, Vec<Sourced<Raw>>>,
}

/// Everything that the sources say, and everything that is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    keys: BTreeMap<&'static str, Vec<Sourced<Raw>>>,
    pub stores: BTreeMap<String, StoreSettings>,
    pub faults: ConfigFaults,
}

impl Settings {
    /// Puts a value over those that the key has already.
    pub(crate) fn set(&mut self, key: &'static Key, value: Raw, origin: Origin) {
        let layers = self.keys.entry(key.path).or_default();
        if let (Origin::Variable(new), Some(Sourced { origin: Origin::Variable(old), .. })) = (&origin, layers.last()) {
            self.faults.push(&origin, format!("{old} and {new} are the same key; set one of them"));
        }
        layers.push(Sourced { value, origin });
    }

    /// Whether any source has the key.
    pub(crate) fn is_set(&self, key: &'static Key) -> bool {
        self.keys.contains_key(key.path)
    }

    /// Names a secret store.
    pub(crate) fn store(&mut self, name: &str, origin: &Origin) -> &mut StoreSettings {
        let store = self.stores.entry(name.to_owned()).or_default();
        store.origin.get_or_insert_with(|| origin.clone());
        store
    }

    /// The value of a key: the topmost layer, or the default. `None` without either, or when it is wrong, which is
    /// then among the faults. Every layer is judged, so that a wrong line does not hide behind a right variable.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static Key,
        parse: impl Fn(&Raw) -> Result<T, Wrong>,
    ) -> Option<Sourced<T>> {
        let mut layers = self.keys.get(key.path).cloned().unwrap_or_default();
        if let Some(default) = key.default {
            layers.insert(0, Sourced { value: Raw::Word(default.to_owned()), origin: Origin::Default });
        }
        let parsed = layers.into_iter().map(|layer| match parse(&layer.value) {
            Ok(value) => Some(Sourced { value, origin: layer.origin }),
            Err(wrong) => {
                self.faults.push(&layer.origin, explain(key, &layer.value, &wrong));
                None
            }
        });
        parsed.last().flatten()
    }
}

impl StoreSettings {
    /// Puts a value over those that the member has already.
    pub(crate) fn set(&mut self, member: &str, value: Raw, origin: Origin) {
        self.members.entry(member.to_owned()).or_default().push(Sourced { value, origin });
    }

    /// The topmost value of a member.
    pub(crate) fn member(&self, name: &str) -> Option<&Sourced<Raw>> {
        self.members.get(name)?.last()
    }

    /// The members that are set.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Sourced<Raw>)> {
        self.members.iter().filter_map(|(name, layers)| Some((name.as_str(), layers.last()?)))
    }
}

fn explain(key: &Key, value: &Raw, wrong: &Wrong) -> String {
    match (wrong, value) {
        (Wrong::Because(reason), _) => format!("`{}` {reason}", key.path),
        (Wrong::Unexpected, Raw::Word(text) | Raw::Text(text)) if !key.sensitive => {
            format!("`{}` is \"{}\" and must be {}", key.path, text.escape_debug(), key.expects)
        }
        (Wrong::Unexpected, _) => format!("`{}` must be {}", key.path, key.expects),
    }
}
