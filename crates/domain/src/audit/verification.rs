//! Whether a chain is what was written: fed entry by entry, so that a trail of any length is verified in little memory.

use super::chain::{AuditHead, ChainHash, GENESIS, read_hash};
use super::stored::StoredEntry;

/// The first thing about a chain that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    /// The number of the entry that is wrong, or missing; `None` where no number can be named.
    pub sequence: Option<i64>,
    /// What is wrong, for people.
    pub problem: String,
}

impl ChainFault {
    fn at(sequence: i64, problem: impl Into<String>) -> Self {
        Self { sequence: Some(sequence), problem: problem.into() }
    }

    /// A fault that no number can be named for.
    pub fn of_the_whole(problem: impl Into<String>) -> Self {
        Self { sequence: None, problem: problem.into() }
    }
}

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// How many entries there are, the wrong ones included.
    pub entries: i64,
    /// The number of the newest entry as it stands; 0 where there is none.
    pub sequence: i64,
    /// Its hash as it stands, which need not be one; that of [`GENESIS`] where there is no entry.
    pub hash: String,
    /// The first fault.
    pub fault: Option<ChainFault>,
}

/// The row of the chain's end as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHead {
    /// The number of the last entry.
    pub sequence: Option<i64>,
    /// Its hash.
    pub hash: Option<String>,
}

/// Verifies a chain from its first entry on.
#[derive(Debug)]
pub struct ChainVerifier {
    anchor: Option<AuditHead>,
    verified: AuditHead,
}

impl ChainVerifier {
    /// A verifier before the first entry; an anchor has to be found in the chain.
    #[must_use]
    pub const fn new(anchor: Option<AuditHead>) -> Self {
        Self { anchor, verified: AuditHead::EMPTY }
    }

    /// The number that comes next.
    #[must_use]
    pub const fn next(&self) -> i64 {
        self.verified.sequence.saturating_add(1)
    }

    /// Judges the next entry in the order of the numbers.
    ///
    /// # Errors
    /// It is not the one that was written there, or the one that should come is missing. No other entry can be judged
    /// after that.
    pub fn accept(&mut self, entry: &StoredEntry) -> Result<(), ChainFault> {
        let (given, next) = (entry.sequence, self.next());
        if given < next {
            let problem = if given < 1 {
                format!("entry {given}: numbers begin with 1")
            } else {
                format!("entry {given} stands there more than once")
            };
            return Err(ChainFault::at(given, problem));
        }
        if given > next {
            return Err(ChainFault::at(next, format!("entry {next} is missing")));
        }
        if let Some(column) = entry.unreadable {
            return Err(ChainFault::at(next, format!("entry {next} was edited: its {column} is none")));
        }
        if !is(entry.previous_hash.as_ref(), &self.verified.hash) {
            let problem = format!("entry {next} does not carry the hash of the entry before it");
            return Err(ChainFault::at(next, problem));
        }
        let hash = entry.hash_behind(&self.verified.hash);
        if !is(entry.hash.as_ref(), &hash) {
            return Err(ChainFault::at(next, format!("entry {next} was edited: its hash is not that of its content")));
        }
        if !entry.has_changes() {
            return Err(ChainFault::at(next, format!("entry {next} has no list of changes")));
        }
        self.verified = AuditHead { sequence: next, hash };
        match self.anchor {
            Some(anchor) if anchor.sequence == next && anchor.hash != hash => {
                let problem =
                    format!("entry {next} has another hash than the anchor: the chain was written anew up to it");
                Err(ChainFault::at(next, problem))
            }
            _ => Ok(()),
        }
    }

    /// Judges the end of the chain after its last entry: `head` is what the store keeps as the end.
    ///
    /// # Errors
    /// The chain ends before the anchor, or somewhere else than the store says.
    pub fn finish(self, head: Option<&StoredHead>) -> Result<AuditHead, ChainFault> {
        let (last, next) = (self.verified.sequence, self.next());
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.sequence > last) {
            let problem = format!("entry {next} is missing: the anchor names entry {}", anchor.sequence);
            return Err(ChainFault::at(next, problem));
        }
        let Some(StoredHead { sequence: Some(kept), hash }) = head else {
            return Err(ChainFault::of_the_whole("the row of the chain's end is missing or has no number"));
        };
        if *kept > last {
            return Err(ChainFault::at(next, format!("entry {next} is missing: the chain's end is entry {kept}")));
        }
        if *kept < last {
            let behind = kept.saturating_add(1).max(1);
            return Err(ChainFault::at(behind, format!("entry {behind} stands behind the chain's end, entry {kept}")));
        }
        if is(hash.as_ref(), &self.verified.hash) {
            return Ok(self.verified);
        }
        let problem = format!("the row of the chain's end has another hash than entry {last}");
        Err(ChainFault { sequence: (last > 0).then_some(last), problem })
    }
}

/// Whether a column holds that hash as it is written: in lower case.
fn is(column: Option<&String>, hash: &ChainHash) -> bool {
    column.is_some_and(|text| read_hash(text) == Some(*hash) && !text.contains(char::is_uppercase))
}

impl Verification {
    /// Of a trail without entries.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self { entries: 0, sequence: 0, hash: hex::encode(GENESIS), fault: None }
    }
}

#[cfg(test)]
mod tests;
