//! Reading the audit trail.

use std::sync::Arc;

use domain::audit::{AuditFilter, ChainedEntry};
use domain::page::{Page, PageRequest};
use domain::repository::Storage;

use crate::error::Error;

/// The use cases of the audit trail.
pub struct AuditService {
    storage: Arc<dyn Storage>,
}

impl AuditService {
    /// The service over its port.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Entries that match `filter`, the newest first.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(&self, filter: &AuditFilter, page: &PageRequest<i64>) -> Result<Page<ChainedEntry, i64>, Error> {
        Ok(self.storage.list_entries(filter, page).await?)
    }
}
