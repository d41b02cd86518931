//! Reading the audit trail.

use async_trait::async_trait;
use domain::audit::{
    AuditEntry, AuditFilter, AuditHead, ChainVerifier, ChainedEntry, StoredEntry, StoredHead, Verification,
};
use domain::page::{Page, PageRequest};
use domain::repository::{AuditTrail, StorageResult};

use super::{MemoryStorage, Operation};

#[async_trait]
impl AuditTrail for MemoryStorage {
    async fn list_entries(
        &self,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<ChainedEntry, i64>> {
        let state = self.enter(Operation::ListEntries)?;
        let behind = |chained: &&ChainedEntry| page.after.is_none_or(|after| chained.sequence < after);
        let newest_first = state.tables.entries.iter().rev().filter(behind);
        let found = newest_first.filter(|chained| matches(filter, &chained.entry)).cloned().collect();
        Ok(Page::of(found, page.size, |chained| chained.sequence))
    }

    async fn audit_head(&self) -> StorageResult<AuditHead> {
        let state = self.enter(Operation::AuditHead)?;
        Ok(state.tables.entries.last().map_or(AuditHead::EMPTY, ChainedEntry::head))
    }

    async fn verify_chain(&self, anchor: Option<AuditHead>) -> StorageResult<Verification> {
        let state = self.enter(Operation::VerifyChain)?;
        let head = state.tables.entries.last().map_or(AuditHead::EMPTY, ChainedEntry::head);
        let (sequence, hash) = (head.sequence, hex::encode(head.hash));
        let mut verifier = ChainVerifier::new(anchor);
        let judged = state.tables.entries.iter().try_for_each(|chained| verifier.accept(&stored(chained)));
        let kept = StoredHead { sequence: Some(sequence), hash: Some(hash.clone()) };
        let fault = judged.and_then(|()| verifier.finish(Some(&kept))).err();
        Ok(Verification { entries: sequence, sequence, hash, fault })
    }

    async fn read_entries(
        &self,
        filter: &AuditFilter,
        until: i64,
        page: &PageRequest<i64>,
    ) -> StorageResult<Page<StoredEntry, i64>> {
        let state = self.enter(Operation::ReadEntries)?;
        let wanted = |chained: &&ChainedEntry| {
            page.after.is_none_or(|after| chained.sequence > after) && chained.sequence <= until
        };
        let oldest_first = state.tables.entries.iter().filter(wanted);
        let found = oldest_first.filter(|chained| matches(filter, &chained.entry)).map(stored).collect();
        Ok(Page::of(found, page.size, |entry| entry.sequence))
    }
}

fn stored(chained: &ChainedEntry) -> StoredEntry {
    StoredEntry {
        previous_hash: Some(hex::encode(chained.previous_hash)),
        hash: Some(hex::encode(chained.hash)),
        ..StoredEntry::of(&chained.entry, chained.sequence)
    }
}

fn matches(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    filter.connector_id.is_none_or(|id| entry.connector_id == Some(id))
        && filter.actor.as_ref().is_none_or(|actor| entry.actor.name == *actor)
        && filter.action.as_ref().is_none_or(|action| entry.action.as_str() == action)
        && filter.correlation_id.as_ref().is_none_or(|id| entry.correlation_id == *id)
        && filter.from.is_none_or(|from| entry.at >= from)
        && filter.to.is_none_or(|to| entry.at < to)
}
