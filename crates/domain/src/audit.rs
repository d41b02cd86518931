//! The audit trail: who changed what, when, from what to what. Every entry is chained to the one before, so that a
//! later edit shows (SE-A-5).

mod chain;
mod stored;
mod verification;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

pub use self::chain::{AuditHead, ChainHash, ChainedEntry, GENESIS};
pub use self::stored::StoredEntry;
pub use self::verification::{ChainFault, ChainVerifier, StoredHead, Verification};
use crate::access::Actor;
use crate::correlation::CorrelationId;
use crate::fault::pointer_to;
use crate::id::ConnectorId;

/// Who acts, when, and under which request. Every change takes one.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who.
    pub actor: Actor,
    /// When, in UTC with microseconds.
    pub at: DateTime<Utc>,
    /// Under which request.
    pub correlation_id: CorrelationId,
    /// From where; `None` for acts at the machine itself.
    pub source_address: Option<IpAddr>,
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The moment, in UTC with microseconds.
    pub at: DateTime<Utc>,
    /// The actor's name.
    pub by: String,
}

impl Act {
    /// Who and when, as rows keep it.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.at, by: self.actor.name.clone() }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])+ $variant:ident = $text:literal,)+) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])+ $variant,)+ }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The action as the contract spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the contract's spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.as_str() == text)
            }
        }
    };
}

actions! {
    /// A connector was registered.
    ConnectorCreated = "connector.created",
    /// Its configuration was replaced.
    ConnectorUpdated = "connector.updated",
    /// Its calls were let out.
    ConnectorEnabled = "connector.enabled",
    /// Its calls were kept in.
    ConnectorDisabled = "connector.disabled",
    /// It was removed.
    ConnectorDeleted = "connector.deleted",
    /// An API key was made.
    KeyCreated = "key.created",
    /// An API key was revoked.
    KeyRevoked = "key.revoked",
    /// Calls, or their bodies, were removed for their age.
    RetentionPurged = "retention.purged",
}

/// One member that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// RFC 6901 pointer to the member.
    pub pointer: String,
    /// The value before; null when there was none.
    pub before: Value,
    /// The value after; null when there is none.
    pub after: Value,
}

/// One entry before it has its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// When, in UTC with microseconds.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// To what: `connectors/<id>`, `keys/<name>` or `integration-logs`.
    pub subject: String,
    /// The connector, when it is about one.
    pub connector_id: Option<ConnectorId>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// What changed, by member.
    pub changes: Vec<FieldChange>,
    /// Under which request.
    pub correlation_id: CorrelationId,
    /// From where.
    pub source_address: Option<IpAddr>,
}

/// The changes as the contract shows them.
#[must_use]
pub fn changes_as_json(changes: &[FieldChange]) -> Value {
    changes
        .iter()
        .map(|change| json!({ "pointer": change.pointer, "before": change.before, "after": change.after }))
        .collect()
}

/// Every member in which two JSON objects differ, down to where they differ.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(pointer: &str, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => compare_members(pointer, old, new, changes),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&pointer_to(pointer, index), old, new, changes);
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            changes.push(FieldChange { pointer: pointer.to_owned(), before: old.clone(), after: new.clone() });
        }
    }
}

fn compare_members(pointer: &str, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<FieldChange>) {
    for (name, value) in old {
        compare(&pointer_to(pointer, name), value, new.get(name).unwrap_or(&Value::Null), changes);
    }
    for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        compare(&pointer_to(pointer, name), &Value::Null, value, changes);
    }
}

/// Which entries are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this connector.
    pub connector_id: Option<ConnectorId>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this kind; a reader may ask for kinds that this version does not write.
    pub action: Option<String>,
    /// Under this request.
    pub correlation_id: Option<CorrelationId>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_deepest_member() {
        let before = json!({ "a": 1, "m": { "list": [1, 2], "gone": true }, "same": [1] });
        let after = json!({ "a": 2, "m": { "list": [1, 3], "new": null }, "same": [1] });
        let pointers: Vec<_> = differences(&before, &after).into_iter().map(|change| change.pointer).collect();
        assert_eq!(pointers, ["/a", "/m/list/1", "/m/gone"]);
    }
}
