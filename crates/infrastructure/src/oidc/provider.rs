//! Asking the provider for its keys: the discovery document says where they are (OpenID Connect Discovery §4).

use bytes::Bytes;
use domain::json::{self, Rules};
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::jwk::KeySet;
use crate::http::{ClientError, TrustedRoots};
use crate::secrets::{client, exchange};

const DISCOVERY: &str = "/.well-known/openid-configuration";

const RULES: Rules = Rules { depth: 16, repeated_members: false };

/// Who issues tokens: the address that stands in them as `iss`, as it is spelt there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

/// Why a text is no issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// It is not an absolute URL without user, query and fragment.
    #[error("it is not an https URL without user, query and fragment")]
    Form,
    /// It is plain `http` to another machine, on the way to which anybody could put in keys.
    #[error("it is plain http to another machine")]
    Plain,
}

impl Issuer {
    /// Reads an issuer. Plain `http` is accepted on this machine only.
    ///
    /// # Errors
    /// [`InvalidIssuer`]
    pub fn parse(text: &str) -> Result<Self, InvalidIssuer> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn discovery(&self) -> String {
        format!("{}{DISCOVERY}", self.0.trim_end_matches('/'))
    }
}

/// An address that nobody on the way can speak for.
fn check(text: &str) -> Result<Url, InvalidIssuer> {
    let url = Url::parse(text).map_err(|_| InvalidIssuer::Form)?;
    let has_more = url.fragment().is_some() || !url.username().is_empty() || url.password().is_some();
    if has_more || url.query().is_some() || text.trim() != text {
        return Err(InvalidIssuer::Form);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(InvalidIssuer::Plain),
        _ => Err(InvalidIssuer::Form),
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

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKeys {
    #[error("{document}: {cause}")]
    Transport { document: &'static str, cause: exchange::Failed },
    #[error("{document}: the answer has the status {status}")]
    Status { document: &'static str, status: u16 },
    #[error("{document}: the answer is not what it should be: {reason}")]
    Content { document: &'static str, reason: &'static str },
    /// It is there and says so, which is another thing than not to be there.
    #[error("{KEYS}: the key set has no key that can be used, so that those of before count no longer")]
    TakenBack,
}

const CONFIGURATION: &str = "openid-configuration";
const KEYS: &str = "jwks_uri";

/// The provider, as it is asked.
pub(super) struct Provider {
    issuer: Issuer,
    client: Client,
}

impl Provider {
    pub(super) fn new(issuer: Issuer, roots: &TrustedRoots) -> Result<Self, ClientError> {
        Ok(Self { issuer, client: client::build(roots)? })
    }

    /// The keys that it publishes now.
    ///
    /// # Errors
    /// Why there are none. The texts hold nothing that the provider sent.
    pub(super) async fn keys(&self) -> Result<KeySet, NoKeys> {
        let wrong = |document, reason| NoKeys::Content { document, reason };
        let configuration = self.get(CONFIGURATION, &self.issuer.discovery()).await?;
        if configuration.get("issuer").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(wrong(CONFIGURATION, "`issuer` is not exactly `auth.issuer`"));
        }
        let Some(place) = configuration.get("jwks_uri").and_then(Value::as_str) else {
            return Err(wrong(CONFIGURATION, "it has no `jwks_uri`"));
        };
        let is_secure =
            Url::parse(place).is_ok_and(|url| url.scheme() == "https" || (is_loopback(&url) && !self.is_secure()));
        if !is_secure {
            return Err(wrong(CONFIGURATION, "`jwks_uri` is not https"));
        }
        let document = self.get(KEYS, place).await?;
        let keys = KeySet::read(&document).ok_or(wrong(KEYS, "it is no key set"))?;
        if keys.len() == 0 { Err(NoKeys::TakenBack) } else { Ok(keys) }
    }

    fn is_secure(&self) -> bool {
        self.issuer.as_str().starts_with("https:")
    }

    async fn get(&self, document: &'static str, place: &str) -> Result<Value, NoKeys> {
        let wrong = |reason| NoKeys::Content { document, reason };
        let request = http::Request::get(place).header(http::header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|_| wrong("its address cannot be asked"))?;
        let sent = exchange::send(&self.client, request).await;
        let answer = sent.map_err(|cause| NoKeys::Transport { document, cause })?;
        if answer.status() != http::StatusCode::OK {
            return Err(NoKeys::Status { document, status: answer.status().as_u16() });
        }
        let text = std::str::from_utf8(answer.body()).map_err(|_| wrong("it is not UTF-8"))?;
        json::parse(text, RULES).map_err(|_| wrong("it is not JSON"))
    }
}
