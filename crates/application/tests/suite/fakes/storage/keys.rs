//! API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::access::Scope;
use domain::api_key::{ApiKey, KeyDigest, KeyFilter};
use domain::id::ApiKeyId;
use domain::page::{Page, PageRequest};
use domain::repository::{ApiKeyRepository, StorageResult};

use super::{MemoryStorage, Operation};

#[async_trait]
impl ApiKeyRepository for MemoryStorage {
    async fn find_key(&self, digest: &KeyDigest) -> StorageResult<Option<ApiKey>> {
        Ok(self.enter(Operation::FindKey)?.tables.keys.iter().find(|key| key.digest == *digest).cloned())
    }

    async fn find_key_of_id(&self, id: ApiKeyId) -> StorageResult<Option<ApiKey>> {
        Ok(self.enter(Operation::FindKey)?.tables.keys.iter().find(|key| key.id == id).cloned())
    }

    async fn list_keys(
        &self,
        filter: &KeyFilter,
        at: DateTime<Utc>,
        page: &PageRequest<ApiKeyId>,
    ) -> StorageResult<Page<ApiKey, ApiKeyId>> {
        let matches = |key: &ApiKey| {
            filter.name.as_ref().is_none_or(|name| key.name.as_str() == name)
                && filter.role.is_none_or(|role| key.role == role)
                && filter.status.is_none_or(|status| key.status(at) == status)
                && filter.connector_id.is_none_or(|id| key.scope != Scope::All && key.scope.contains(id))
                && page.after.is_none_or(|after| key.id < after)
        };
        let mut keys = self.enter(Operation::ListKeys)?.tables.keys.clone();
        keys.retain(matches);
        keys.sort_by_key(|key| std::cmp::Reverse(key.id));
        Ok(Page::of(keys, page.size, |key| key.id))
    }

    async fn record_key_uses(&self, uses: &[(ApiKeyId, DateTime<Utc>)]) -> StorageResult<()> {
        let mut state = self.enter(Operation::RecordUses)?;
        for (id, at) in uses {
            if let Some(key) = state.tables.keys.iter_mut().find(|key| key.id == *id) {
                key.last_used_at = key.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }
}
