//! The chain: every entry carries the hash of the one before.

use std::fmt;

use super::AuditEntry;
use super::stored::StoredEntry;

/// A SHA-256 digest that chains the entries.
pub type ChainHash = [u8; 32];

/// What stands before the first entry.
pub const GENESIS: ChainHash = [0; 32];

/// An entry at its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainedEntry {
    /// From 1, without gaps.
    pub sequence: i64,
    /// What happened.
    pub entry: AuditEntry,
    /// The hash of the entry before, [`GENESIS`] for the first.
    pub previous_hash: ChainHash,
    /// `SHA-256(canonical ‖ previous_hash)`.
    pub hash: ChainHash,
}

impl ChainedEntry {
    /// Gives an entry its place behind `previous`.
    #[must_use]
    pub fn append(entry: AuditEntry, sequence: i64, previous_hash: ChainHash) -> Self {
        let hash = StoredEntry::of(&entry, sequence).hash_behind(&previous_hash);
        Self { sequence, entry, previous_hash, hash }
    }

    /// What the chain ends with while this is its last entry.
    #[must_use]
    pub const fn head(&self) -> AuditHead {
        AuditHead { sequence: self.sequence, hash: self.hash }
    }
}

/// The end of the chain at some moment. Kept elsewhere, it is an anchor: a chain that was cut before it, or written anew,
/// does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of the last entry; 0 before the first.
    pub sequence: i64,
    /// Its hash; [`GENESIS`] before the first.
    pub hash: ChainHash,
}

impl AuditHead {
    /// Before the first entry.
    pub const EMPTY: Self = Self { sequence: 0, hash: GENESIS };

    /// Reads `SEQ:HASH`: a number, a colon, and 64 hexadecimal digits. `None` also for what no chain can have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, hash) = text.split_once(':')?;
        let digits = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
        let sequence = if digits { sequence.parse().ok()? } else { return None };
        let head = Self { sequence, hash: read_hash(hash)? };
        ((sequence == 0) == (head.hash == GENESIS)).then_some(head)
    }
}

impl fmt::Display for AuditHead {
    /// As [`AuditHead::parse`] reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.sequence, hex::encode(self.hash))
    }
}

/// The 64 hexadecimal digits of a hash.
pub(super) fn read_hash(text: &str) -> Option<ChainHash> {
    let mut hash = GENESIS;
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_number_and_a_hash() {
        let hash = "0123456789abcdef".repeat(4);
        let head = AuditHead::parse(&format!("17:{hash}")).expect("an anchor");
        assert_eq!((head.sequence, head.to_string()), (17, format!("17:{hash}")));
        assert_eq!(AuditHead::parse(&format!("17:{}", hash.to_uppercase())), Some(head));
        assert_eq!(AuditHead::parse(&AuditHead::EMPTY.to_string()), Some(AuditHead::EMPTY));
        let short = &hash[1..];
        for wrong in [
            String::new(),
            "17".to_owned(),
            format!("17:{short}"),
            format!("17:{hash}0"),
            format!("17:{short}x"),
            format!("+17:{hash}"),
            format!("-17:{hash}"),
            format!(" 17:{hash}"),
            format!("17: {hash}"),
            format!(":{hash}"),
            format!("99999999999999999999:{hash}"),
            format!("0:{hash}"),
            format!("17:{}", "0".repeat(64)),
        ] {
            assert_eq!(AuditHead::parse(&wrong), None, "{wrong}");
        }
    }
}
