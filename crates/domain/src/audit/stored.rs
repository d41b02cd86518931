//! An entry as its row has it, whatever that is: whoever has the database can put anything there.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::chain::ChainHash;
use super::{AuditEntry, changes_as_json};

/// The columns of an entry as text, not read as anything else: an edit that means the same is an edit, too, and an entry
/// that this version cannot read can still be judged and handed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field for every column")]
pub struct StoredEntry {
    pub sequence: i64,
    pub at: Option<String>,
    pub actor: Option<String>,
    pub actor_type: Option<String>,
    pub action: Option<String>,
    pub subject: Option<String>,
    pub connector_id: Option<String>,
    pub reason: Option<String>,
    pub changes: Option<String>,
    pub correlation_id: Option<String>,
    pub source_address: Option<String>,
    pub previous_hash: Option<String>,
    pub hash: Option<String>,
    /// The first column that does not even hold text, or the number no number.
    pub unreadable: Option<&'static str>,
}

impl StoredEntry {
    /// How an entry is stored at that number, without its hashes.
    #[must_use]
    pub fn of(entry: &AuditEntry, sequence: i64) -> Self {
        Self {
            sequence,
            at: Some(entry.at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            actor: Some(entry.actor.name.clone()),
            actor_type: Some(entry.actor.kind.as_str().to_owned()),
            action: Some(entry.action.as_str().to_owned()),
            subject: Some(entry.subject.clone()),
            connector_id: entry.connector_id.map(|id| id.to_string()),
            reason: entry.reason.clone(),
            changes: Some(changes_as_json(&entry.changes).to_string()),
            correlation_id: Some(entry.correlation_id.as_str().to_owned()),
            source_address: entry.source_address.map(|address| address.to_string()),
            previous_hash: None,
            hash: None,
            unreadable: None,
        }
    }

    /// The text that is hashed: compact JSON, the members under the names and in the order of the contract. Changes that
    /// are no list are a string in it, so that it is JSON in any case and no two rows have the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = format!("{{\"sequence\":{}", self.sequence);
        for (name, column) in [
            ("at", &self.at),
            ("actor", &self.actor),
            ("actorType", &self.actor_type),
            ("action", &self.action),
            ("subject", &self.subject),
            ("connectorId", &self.connector_id),
            ("reason", &self.reason),
            ("changes", &self.changes),
            ("correlationId", &self.correlation_id),
            ("sourceAddress", &self.source_address),
        ] {
            let _infallible = match column {
                Some(changes) if name == "changes" && is_list(changes) => write!(text, ",\"{name}\":{changes}"),
                Some(column) => write!(text, ",\"{name}\":{}", Value::from(column.as_str())),
                None => write!(text, ",\"{name}\":null"),
            };
        }
        text.push('}');
        text
    }

    /// `SHA-256(canonical ‖ previous)`.
    #[must_use]
    pub fn hash_behind(&self, previous: &ChainHash) -> ChainHash {
        Sha256::new().chain_update(self.canonical()).chain_update(previous).finalize().into()
    }

    /// The entry with its hashes as one line of JSON, without the end of the line: the text that is hashed, and before
    /// its closing brace the hashes. Who cuts them out can verify it (`docs/audit.md`).
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = self.canonical();
        text.pop();
        let text_of = |column: &Option<String>| column.as_deref().map_or(Value::Null, Value::from);
        let (previous, hash) = (text_of(&self.previous_hash), text_of(&self.hash));
        let _infallible = write!(text, ",\"previousHash\":{previous},\"hash\":{hash}}}");
        text
    }

    /// Whether the changes are the list that they should be.
    pub(super) fn has_changes(&self) -> bool {
        self.changes.as_deref().is_some_and(is_list)
    }
}

/// Whether a text is an array of JSON in one line, without space around it.
fn is_list(text: &str) -> bool {
    text.starts_with('[')
        && text.ends_with(']')
        && !text.contains(['\n', '\r'])
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::access::Actor;
    use crate::audit::{Action, ChainedEntry, FieldChange, GENESIS};
    use crate::correlation::CorrelationId;

    fn entry() -> AuditEntry {
        AuditEntry {
            at: DateTime::from_timestamp_micros(1_769_831_100_000_000).expect("a moment"),
            actor: Actor::local(),
            action: Action::ConnectorUpdated,
            subject: "connectors/x".to_owned(),
            connector_id: None,
            reason: Some("a \"quoted\"\u{1} Ö \u{2028}".to_owned()),
            changes: vec![FieldChange {
                pointer: "/a".to_owned(),
                before: json!("x\"\\\u{0}"),
                after: serde_json::from_str("1.10e+5").expect("a number"),
            }],
            correlation_id: CorrelationId::parse("corr-1").expect("an id"),
            source_address: Some("::1".parse().expect("an address")),
        }
    }

    /// The format cannot change: entries that are stored have their hashes. These come from `json!` of the whole, and
    /// from Python's `hashlib`.
    #[test]
    fn the_text_that_is_hashed_is_what_it_always_was() {
        let text = StoredEntry::of(&entry(), 7).canonical();
        let expected = json!({
            "sequence": 7, "at": "2026-01-31T03:45:00.000000Z", "actor": "local", "actorType": "Local",
            "action": "connector.updated", "subject": "connectors/x", "connectorId": null,
            "reason": "a \"quoted\"\u{1} Ö \u{2028}", "changes": changes_as_json(&entry().changes),
            "correlationId": "corr-1", "sourceAddress": "::1",
        });
        assert_eq!(text, expected.to_string());
        let chained = ChainedEntry::append(entry(), 7, GENESIS);
        assert_eq!(hex::encode(chained.hash), "b0ae6400769ff536602b6674825735615714fc3b5abf4ba58716633dd332c528");
    }

    #[test]
    fn a_line_is_the_hashed_text_with_the_hashes_before_its_brace() {
        let mut stored = StoredEntry::of(&entry(), 7);
        stored.previous_hash = Some("0".repeat(64));
        stored.hash = Some("no \"hash\"".to_owned());
        let line = stored.line();
        let tail = format!(",\"previousHash\":\"{}\",\"hash\":\"no \\\"hash\\\"\"}}", "0".repeat(64));
        assert_eq!(line.strip_suffix(&tail), stored.canonical().strip_suffix('}'));
        assert!(serde_json::from_str::<Value>(&line).is_ok());
        stored.changes = Some("[1,\n2]".to_owned());
        let other: Value = serde_json::from_str(&stored.line()).expect("JSON still");
        assert_eq!((&other["changes"], stored.line().contains('\n')), (&json!("[1,\n2]"), false));
        let nothing = StoredEntry { sequence: -1, ..StoredEntry::default() };
        assert!(serde_json::from_str::<Value>(&nothing.line()).is_ok(), "{}", nothing.line());
    }
}
