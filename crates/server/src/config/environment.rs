//! The environment: the one place that reads it, and how variables spell keys.

use std::collections::BTreeMap;

use super::fault::Origin;
use super::keys::{self, PREFIX, STORE_MEMBERS};
use super::raw::Raw;
use super::settings::Settings;

/// A snapshot of the environment, in the order of names.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl Environment {
    /// The environment of this process. A variable that is not Unicode is a fault only if it is one of ours.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    pub(crate) fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    environment.variables.insert(name, value);
                }
                (Ok(name), Err(_)) => environment.unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        environment
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The variables whose names begin with `prefix`.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.variables
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Lays the variables over what is there already. Answers those that are no key; they may yet belong to a secret
    /// store of the kind `env`.
    pub(crate) fn read(&self, settings: &mut Settings) -> Vec<String> {
        for name in self.unreadable.iter().filter(|name| name.starts_with(PREFIX)) {
            settings.faults.push(&Origin::Variable(name.clone()), "the value is not UTF-8");
        }
        let mut unknown = Vec::new();
        for (name, value) in self.with_prefix(PREFIX) {
            let spelling = spelling_of(name);
            let origin = Origin::Variable(name.to_owned());
            if name == keys::FILE_VARIABLE || is_service_link(&spelling, value) {
                continue;
            }
            let value = Raw::Word(value.to_owned());
            if let Some(key) = keys::ALL.into_iter().find(|key| key.variable() == spelling) {
                settings.set(key, value, origin);
            } else if let Some((store, member)) = store_member(&spelling, settings) {
                settings.store(&store, &origin).set(member, value, origin.clone());
            } else {
                unknown.push(name.to_owned());
            }
        }
        unknown
    }
}

/// What to say about a variable that is no key.
pub(crate) fn unknown(name: &str, stores: &[&str]) -> String {
    if spelling_of(name).starts_with(&keys::variable(&format!("{}.", keys::STORES))) {
        let (members, stores) = (STORE_MEMBERS.join("`, `"), stores.join("`, `"));
        return format!("the variable names no member (`{members}`) of a secret store; stores are `{stores}`");
    }
    match keys::nearest_variable(name) {
        Some(key) => format!("there is no such key; did you mean {}?", key.variable()),
        None => format!("there is no such key; variables that begin with {PREFIX} are keys of the configuration"),
    }
}

/// Between the words of a key one underscore is as good as two.
fn spelling_of(name: &str) -> String {
    name.replace("__", "_")
}

/// `CONNECTORS_SECRET_STORES_<NAME>_<MEMBER>`, where the name is one that is known.
fn store_member(spelling: &str, settings: &Settings) -> Option<(String, &'static str)> {
    settings.stores.keys().find_map(|store| {
        let member = STORE_MEMBERS.iter().find(|member| {
            let path = format!("{}.{store}.{member}", keys::STORES);
            spelling_of(&keys::variable(&path)) == spelling
        })?;
        Some((store.clone(), *member))
    })
}

/// What Kubernetes and Docker put into the environment when a service beside this one is called `connectors`, too:
/// `CONNECTORS_PORT=tcp://10.0.0.1:8080`, `CONNECTORS_SERVICE_HOST=10.0.0.1`, `CONNECTORS_PORT_8080_TCP_ADDR=…`.
fn is_service_link(spelling: &str, value: &str) -> bool {
    let rest = spelling.strip_prefix("CONNECTORS").unwrap_or(spelling);
    let ends_as_one = rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT");
    let is_port = rest.ends_with("_PORT") && value.contains("://");
    ends_as_one || is_port || rest.contains("_SERVICE_PORT_") || names_a_port(rest)
}

/// `…_PORT_<number>_(TCP|UDP|SCTP)…`.
fn names_a_port(rest: &str) -> bool {
    rest.match_indices("_PORT_").any(|(at, word)| {
        let mut words = rest[at + word.len()..].split('_');
        let number = words.next().is_some_and(|number| number.parse::<u16>().is_ok());
        number && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_orchestrators_inject_is_told_from_keys() {
        for (name, value) in [
            ("CONNECTORS_PORT", "tcp://10.96.0.7:8080"),
            ("CONNECTORS_SERVICE_HOST", "10.96.0.7"),
            ("CONNECTORS_SERVICE_PORT", "8080"),
            ("CONNECTORS_SERVICE_PORT_HTTP", "8080"),
            ("CONNECTORS_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("CONNECTORS_PORT_8080_TCP_ADDR", "10.96.0.7"),
            ("CONNECTORS_POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in
            [("CONNECTORS_PORT", "8080"), ("CONNECTORS_LISTEN", "127.0.0.1:1"), ("CONNECTORS_PROT", "")]
        {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
