//! Reading the audit trail.

use async_trait::async_trait;
use domain::audit::{AuditEntry, AuditFilter, ChainedEntry};
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
}

fn matches(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    filter.connector_id.is_none_or(|id| entry.connector_id == Some(id))
        && filter.actor.as_ref().is_none_or(|actor| entry.actor.name == *actor)
        && filter.action.as_ref().is_none_or(|action| entry.action.as_str() == action)
        && filter.correlation_id.as_ref().is_none_or(|id| entry.correlation_id == *id)
        && filter.from.is_none_or(|from| entry.at >= from)
        && filter.to.is_none_or(|to| entry.at < to)
}
