//! References to secrets. The store of connectors holds only these; values live in a secret store (SE-S-1).

use crate::fault::{FaultCode, Refusal};

/// `store ":" name [ "#" field ] [ "@" version ]`, for instance `SecretStore:HR-ApiKey` or
/// `vault:esg/hr#clientSecret@3`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    store: String,
    name: String,
    field: Option<String>,
    version: Option<String>,
}

impl SecretRef {
    const GRAMMAR: &'static str = "must read `store:name`, optionally followed by `#field` and `@version`, \
         as in `SecretStore:HR-ApiKey`; it names a secret and never contains one";

    /// Reads a reference.
    ///
    /// # Errors
    /// `invalid-value` when the text does not follow the grammar of SE-S-1.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Self::read(text).ok_or_else(|| Refusal::new(FaultCode::InvalidValue, Self::GRAMMAR))
    }

    fn read(text: &str) -> Option<Self> {
        let (store, rest) = text.split_once(':')?;
        let (rest, version) = match rest.split_once('@') {
            Some((rest, version)) => (rest, Some(version)),
            None => (rest, None),
        };
        let (name, field) = match rest.split_once('#') {
            Some((name, field)) => (name, Some(field)),
            None => (rest, None),
        };
        let fits = is_store(store)
            && is_name(name)
            && field.is_none_or(|field| is_made_of(field, 64, b"_.-"))
            && version.is_none_or(|version| is_made_of(version, 64, b"-"));
        fits.then(|| Self {
            store: store.to_owned(),
            name: name.to_owned(),
            field: field.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }

    /// The configured name of the secret store.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The name of the secret inside its store; may contain `/`, never `..`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member of a secret that is a JSON object.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// A fixed version; without one the current value is meant.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// Whether `name` can name a secret store: `[A-Za-z][A-Za-z0-9_-]{0,31}`.
#[must_use]
pub fn is_store(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) && is_made_of(name, 32, b"_-")
}

fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && is_made_of(name, 127, b"/_.-")
        && !name.contains("..")
        && !name.contains("//")
        && !name.ends_with('/')
}

fn is_made_of(text: &str, longest: usize, punctuation: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(&byte))
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.store, self.name)?;
        if let Some(field) = &self.field {
            write!(formatter, "#{field}")?;
        }
        if let Some(version) = &self.version {
            write!(formatter, "@{version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_written_as_it_was_read() {
        for text in ["SecretStore:HR-ApiKey", "vault:esg/hr#client.secret@3", "s:a@v-1", "aws:prod/esg/db_1#x"] {
            assert_eq!(SecretRef::parse(text).map(|read| read.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        let long_name = format!("s:{}", "a".repeat(128));
        let long_store = format!("{}:a", "a".repeat(33));
        for text in [
            "",
            "hunter2",
            ":a",
            "s:",
            "1s:a",
            "s:../etc/passwd",
            "s:a//b",
            "s:a/",
            "s:/a",
            "s:-a",
            "s:a#",
            "s:a@",
            "s:a#b c",
            "s:a b",
            "s:ä",
            "s:a#f@v@w",
            "s:a\n",
            &long_name,
            &long_store,
        ] {
            assert!(SecretRef::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn se_s_1_what_follows_the_grammar_is_read_and_written_alike(
            store in "[A-Za-z][A-Za-z0-9_-]{0,31}",
            name in "[A-Za-z0-9]([A-Za-z0-9_-]|[/.][A-Za-z0-9_-]){0,40}",
            field in prop::option::of("[A-Za-z0-9_.-]{1,64}"),
            version in prop::option::of("[A-Za-z0-9-]{1,64}"),
        ) {
            let mut text = format!("{store}:{name}");
            text.extend(field.iter().flat_map(|field| ["#", field]));
            text.extend(version.iter().flat_map(|version| ["@", version]));
            let read = SecretRef::parse(&text).expect("a reference");
            prop_assert_eq!(read.to_string(), text);
            prop_assert_eq!((read.store(), read.name()), (store.as_str(), name.as_str()));
            prop_assert_eq!((read.field(), read.version()), (field.as_deref(), version.as_deref()));
        }

        #[test]
        fn se_s_1_what_is_read_leaves_no_store(text in prop_oneof![any::<String>(), "[a-zA-Z]{0,3}:?[a-z/.@#:_-]{0,12}"]) {
            if let Ok(read) = SecretRef::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
                prop_assert!(!read.name().split('/').any(|part| part.is_empty() || part.contains("..")));
                prop_assert!(read.name().is_ascii() && !read.name().starts_with('/'));
            }
        }
    }
}
