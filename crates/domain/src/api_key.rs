//! API keys: 256 random bits under a readable prefix, of which only the SHA-256 is kept (SE-A-2).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::{Actor, ActorType, Principal, Role, Scope};
use crate::audit::{Act, Action, AuditEntry, Stamp, differences};
use crate::fault::{FaultCode, Refusal};
use crate::id::{ApiKeyId, ConnectorId};

/// What every key begins with, so that people and secret scanners recognise one.
pub const PREFIX: &str = "esgc_";

/// What is kept of a key.
pub type KeyDigest = [u8; 32];

/// The digest of a key as it is presented. `None` for text that cannot be a key.
#[must_use]
pub fn digest(key: &str) -> Option<KeyDigest> {
    let secret = key.strip_prefix(PREFIX)?;
    let well_formed = secret.len() == 64 && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    well_formed.then(|| Sha256::digest(key.as_bytes()).into())
}

/// The key that `secret` makes; shown once.
#[must_use]
pub fn spell(secret: &[u8; 32]) -> String {
    format!("{PREFIX}{}", hex::encode(secret))
}

/// The name of a key, under which its acts are recorded: 1 to 100 of `A-Z a-z 0-9 . _ @ -`, beginning with a letter or
/// digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Reads a name.
    ///
    /// # Errors
    /// `invalid-value`.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        let fits = (1..=100).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(Refusal::new(
                FaultCode::InvalidValue,
                "must be 1 to 100 letters, digits, `.`, `_`, `@` or `-`, beginning with a letter or digit",
            ))
        }
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An API key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// For ever.
    pub id: ApiKeyId,
    /// Unique among the keys that are not revoked.
    pub name: KeyName,
    /// What its holder may do.
    pub role: Role,
    /// On which connectors.
    pub scope: Scope,
    /// What is kept of the key.
    pub digest: KeyDigest,
    /// Its making.
    pub created: Stamp,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its revocation.
    pub revoked: Option<Stamp>,
    /// When it was last taken, as far as that has been written: about a minute late.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Whether a key is taken, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is taken.
    Active,
    /// Its time is over, and nobody has revoked it; its name is still its own.
    Expired,
    /// Somebody has revoked it, whether its time was over or not.
    Revoked,
}

impl KeyStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Revoked];

    /// The status as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Which keys are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Of this name, exactly; there may be several, of which all but one are revoked.
    pub name: Option<String>,
    /// Of this role.
    pub role: Option<Role>,
    /// In this state.
    pub status: Option<KeyStatus>,
    /// Bound to this connector.
    pub connector_id: Option<ConnectorId>,
}

impl ApiKey {
    /// The key's status at `now`.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> KeyStatus {
        match (&self.revoked, self.expires_at) {
            (Some(_), _) => KeyStatus::Revoked,
            (None, Some(end)) if end <= now => KeyStatus::Expired,
            (None, _) => KeyStatus::Active,
        }
    }

    /// The caller that presents a key of this digest at `now`; `None` once it is revoked or has expired.
    #[must_use]
    pub fn principal(&self, presented: &KeyDigest, now: DateTime<Utc>) -> Option<Principal> {
        // The store has looked the digest up already, and how long that took says nothing about a key. What decides
        // does not depend on how a store compares text.
        let same = bool::from(self.digest.ct_eq(presented));
        (same && self.status(now) == KeyStatus::Active).then(|| Principal {
            actor: Actor { name: self.name.as_str().to_owned(), kind: ActorType::ApiKey },
            role: self.role,
            scope: self.scope.clone(),
        })
    }

    /// The change that stores a new key.
    pub fn create(self, reason: Option<String>, act: &Act) -> KeyChange {
        let entry = self.entry(Action::KeyCreated, &json!({}), reason, act);
        KeyChange { key: self, entry }
    }

    /// The change that revokes the key from now on; `None` when it is revoked already.
    #[must_use]
    pub fn revoke(self, reason: Option<String>, act: &Act) -> Option<KeyChange> {
        if self.revoked.is_some() {
            return None;
        }
        let before = self.audited();
        let key = Self { revoked: Some(act.stamp()), ..self };
        let entry = key.entry(Action::KeyRevoked, &before, reason, act);
        Some(KeyChange { key, entry })
    }

    fn audited(&self) -> Value {
        let connectors = match &self.scope {
            Scope::All => Value::Null,
            Scope::Only(listed) => listed.iter().map(|id| json!(id.to_string())).collect(),
        };
        json!({
            "id": self.id.to_string(),
            "name": self.name.as_str(),
            "role": self.role.as_str(),
            "connectors": connectors,
            "expiresAt": self.expires_at.map(|end| end.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
            "revoked": self.revoked.is_some(),
        })
    }

    fn entry(&self, action: Action, before: &Value, reason: Option<String>, act: &Act) -> AuditEntry {
        AuditEntry {
            at: act.at,
            actor: act.actor.clone(),
            action,
            subject: format!("keys/{}", self.name.as_str()),
            connector_id: None,
            reason,
            changes: differences(before, &self.audited()),
            correlation_id: act.correlation_id.clone(),
            source_address: act.source_address,
        }
    }
}

/// The making or revoking of a key together with its audit entry.
#[must_use = "a change that is not saved did not happen"]
#[derive(Debug)]
pub struct KeyChange {
    key: ApiKey,
    entry: AuditEntry,
}

impl KeyChange {
    /// The key after the change.
    #[must_use]
    pub const fn key(&self) -> &ApiKey {
        &self.key
    }

    /// Its trace.
    #[must_use]
    pub const fn entry(&self) -> &AuditEntry {
        &self.entry
    }

    /// The key after the change, for those who go on with it.
    #[must_use]
    pub fn into_key(self) -> ApiKey {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_key_is_looked_up() {
        let key = spell(&[7; 32]);
        assert!(digest(&key).is_some());
        for other in ["", "esgc_", "esgc_07", &key.to_uppercase(), &key[5..], &format!("{key}0")] {
            assert!(digest(other).is_none(), "{other}");
        }
    }
}
