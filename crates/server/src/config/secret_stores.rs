//! The secret stores of the deployment. A file per kind says which members the kind has and what they mean.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod local;
mod vault;

use std::path::PathBuf;

use domain::secret_ref;
#[cfg(feature = "azure")]
use infrastructure::secrets::AzureCredential;
use infrastructure::secrets::VaultLogin;
use url::Url;

use super::fault::{ConfigFaults, Origin};
use super::keys::STORE_MEMBERS;
use super::raw::{self, Wrong};
use super::settings::{Settings, StoreSettings};

/// The store that is there without configuration.
pub(crate) const DEFAULT_STORE: &str = "SecretStore";

/// A store and where its secrets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretStoreConfig {
    /// One file per secret in this directory.
    File { path: PathBuf },
    /// One environment variable per secret, under this prefix.
    Env { prefix: String },
    /// Vault's key-value engine.
    Vault { address: Url, mount: String, namespace: Option<String>, login: VaultLogin },
    /// AWS Secrets Manager.
    #[cfg(feature = "aws")]
    Aws { region: Option<String>, endpoint_url: Option<Url>, prefix: String },
    /// Azure Key Vault.
    #[cfg(feature = "azure")]
    Azure { vault_url: Url, credential: AzureCredential, authority_url: Option<Url>, resource: Option<String> },
}

/// A kind of store.
struct Kind {
    name: &'static str,
    /// The members beside `kind`.
    members: &'static [&'static str],
    /// Reads them.
    read: fn(&mut StoreReader<'_>) -> Option<SecretStoreConfig>,
}

/// Those that this program was built with.
static KINDS: &[&Kind] = &[
    &local::FILE,
    &local::ENV,
    &vault::VAULT,
    #[cfg(feature = "aws")]
    &aws::AWS,
    #[cfg(feature = "azure")]
    &azure::AZURE,
];

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

/// One store being read: its members by name, and the faults that it has.
struct StoreReader<'a> {
    name: &'a str,
    store: &'a StoreSettings,
    origin: Origin,
    faults: &'a mut ConfigFaults,
}

impl StoreReader<'_> {
    fn read(mut self) -> Option<SecretStoreConfig> {
        let kind = self.kind()?;
        self.refuse_members_beside(kind);
        (kind.read)(&mut self)
    }

    fn kind(&mut self) -> Option<&'static Kind> {
        let Some(member) = self.store.member("kind") else {
            if self.name == DEFAULT_STORE {
                return Some(&local::FILE);
            }
            self.fault(&self.origin.clone(), "kind", &format!("is missing; it is {}", kinds()));
            return None;
        };
        let kind = raw::text(&member.value).ok();
        let known = KINDS.iter().copied().find(|known| Some(known.name) == kind);
        match kind {
            _ if known.is_some() => {}
            Some(kind @ ("aws" | "azure")) => {
                let reason = format!("is `{kind}`, which this program was built without; in it, it is {}", kinds());
                self.fault(&member.origin, "kind", &reason);
            }
            _ => self.fault(&member.origin, "kind", &format!("must be {}", kinds())),
        }
        known
    }

    /// The text of a member; a fault where it is something else, or missing without a `default`.
    fn text(&mut self, member: &str, expects: &str, default: Option<&str>) -> Option<String> {
        self.parsed(member, expects, default.map(str::to_owned), |text| Ok(text.to_owned()))
    }

    /// A member as `parse` reads its text; a fault where it is wrong, or missing without a `default`.
    fn parsed<T>(
        &mut self,
        member: &str,
        expects: &str,
        default: Option<T>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let Some(given) = self.store.member(member) else {
            if default.is_none() {
                self.fault(&self.origin.clone(), member, &format!("must be {expects}"));
            }
            return default;
        };
        match raw::text(&given.value).and_then(parse) {
            Ok(value) => return Some(value),
            Err(Wrong::Because(reason)) => self.fault(&given.origin, member, &reason),
            Err(Wrong::Unexpected) => self.fault(&given.origin, member, &format!("must be {expects}")),
        }
        None
    }

    /// How the service proves itself, the member `auth`, with a fault for every member that goes with another method.
    fn method(&mut self, methods: &[(&'static str, &[&str])], default: Option<&'static str>) -> Option<&'static str> {
        let names: Vec<&'static str> = methods.iter().map(|(name, _)| *name).collect();
        let method = self.parsed("auth", &listed(&names, "or"), default, |text| {
            names.iter().copied().find(|name| *name == text).ok_or(Wrong::Unexpected)
        })?;
        let own = methods.iter().find(|(name, _)| *name == method).map_or(&[] as &[_], |(_, members)| members);
        let others = methods.iter().flat_map(|(_, members)| *members).filter(|member| !own.contains(member));
        for member in others.collect::<std::collections::BTreeSet<_>>() {
            self.refuse(member, &format!("does not go with `auth` = `{method}`, which has {}", listed(own, "and")));
        }
        Some(method)
    }

    fn refuse_members_beside(&mut self, kind: &Kind) {
        for (member, sourced) in self.store.members() {
            // What a command presumes steps back where the deployment chose another kind.
            if member == "kind" || kind.members.contains(&member) || sourced.origin == Origin::Default {
                continue;
            }
            let has = listed(kind.members, "and");
            let reason = if STORE_MEMBERS.contains(&member) {
                format!("does not belong to a store of the kind `{}`, which has {has}", kind.name)
            } else {
                format!("is no key of a secret store; a store of the kind `{}` has {has}", kind.name)
            };
            self.faults.push(&sourced.origin, format!("`secret_stores.{}.{member}` {reason}", self.name));
        }
    }

    /// A member that does not go with what another one says.
    fn refuse(&mut self, member: &str, reason: &str) {
        if let Some(given) = self.store.member(member) {
            self.fault(&given.origin, member, reason);
        }
    }

    fn fault(&mut self, origin: &Origin, member: &str, reason: &str) {
        self.faults.push(origin, format!("`secret_stores.{}.{member}` {reason}", self.name));
    }
}

/// The address of a server that hands out secrets: nobody on the way may read them.
fn address(text: &str) -> Result<Url, Wrong> {
    let url = Url::parse(text).map_err(|_| Wrong::Unexpected)?;
    let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
    if has_more || !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::Unexpected);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => {
            let reason = "is plain `http`, which is accepted on this machine only (127.0.0.1, localhost)";
            Err(Wrong::Because(reason.to_owned()))
        }
        _ => Err(Wrong::Unexpected),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn kinds() -> String {
    listed(&KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>(), "or")
}

/// `a`, `b` or `c`
fn listed(names: &[&str], last: &str) -> String {
    let mut quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let end = quoted.pop().unwrap_or_default();
    if quoted.is_empty() { end } else { format!("{} {last} {end}", quoted.join(", ")) }
}
