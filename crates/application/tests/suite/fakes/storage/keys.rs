//! Reading API keys.

use async_trait::async_trait;
use domain::api_key::{ApiKey, KeyDigest};
use domain::repository::{ApiKeyRepository, StorageResult};

use super::{MemoryStorage, Operation};

#[async_trait]
impl ApiKeyRepository for MemoryStorage {
    async fn find_key(&self, digest: &KeyDigest) -> StorageResult<Option<ApiKey>> {
        Ok(self.enter(Operation::FindKey)?.tables.keys.iter().find(|key| key.digest == *digest).cloned())
    }

    async fn list_keys(&self) -> StorageResult<Vec<ApiKey>> {
        let mut keys = self.enter(Operation::ListKeys)?.tables.keys.clone();
        keys.sort_by(|one, other| (one.name.as_str(), one.id).cmp(&(other.name.as_str(), other.id)));
        Ok(keys)
    }
}
