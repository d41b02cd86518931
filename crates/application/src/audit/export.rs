//! The trail on its way to somebody else, page by page, so that it takes little memory and holds nothing of the store
//! between two pages, however slowly it is read.

use std::sync::Arc;

use domain::audit::{AuditFilter, StoredEntry};
use domain::page::{PageRequest, PageSize};
use domain::repository::Storage;

use crate::error::Error;

/// The entries that there were when it began.
pub struct AuditExport {
    storage: Arc<dyn Storage>,
    filter: AuditFilter,
    until: i64,
    /// The pages still to come; `None` after the last.
    rest: Option<PageRequest<i64>>,
}

impl AuditExport {
    /// Entries are only ever added behind the end, so what is up to it does not change while it is read.
    pub(super) async fn begin(storage: Arc<dyn Storage>, filter: AuditFilter) -> Result<Self, Error> {
        let until = storage.audit_head().await?.sequence;
        let size = PageSize::new(PageSize::MAX.into()).unwrap_or_default();
        Ok(Self { storage, filter, until, rest: Some(PageRequest { size, after: None }) })
    }

    /// The next entries, as they are stored; `None` after the last.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn next(&mut self) -> Result<Option<Vec<StoredEntry>>, Error> {
        let Some(page) = &mut self.rest else { return Ok(None) };
        let found = self.storage.read_entries(&self.filter, self.until, page).await?;
        match found.next {
            Some(next) => page.after = Some(next),
            None => self.rest = None,
        }
        Ok(Some(found.items))
    }
}
