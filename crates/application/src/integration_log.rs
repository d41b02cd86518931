//! Reading what calls did.

use std::sync::Arc;

use domain::id::LogId;
use domain::integration_log::{IntegrationLog, IntegrationLogPage, LogFilter, LogOrder, LogPosition};
use domain::page::{Page, PageRequest};
use domain::repository::Storage;

use crate::context::RequestContext;
use crate::error::Error;

/// The use cases of integration logs. Calls of connectors that the caller may not see are not there (CO-5).
pub struct IntegrationLogService {
    storage: Arc<dyn Storage>,
}

impl IntegrationLogService {
    /// The service over its port.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Calls that match `filter`.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(
        &self,
        context: &RequestContext,
        filter: &LogFilter,
        order: LogOrder,
        page: &PageRequest<LogPosition>,
    ) -> Result<Page<IntegrationLog, LogPosition>, Error> {
        Ok(self.storage.list_logs(filter, &context.principal.scope, order, page).await?)
    }

    /// One call with its attempts and what is kept of its bodies.
    ///
    /// # Errors
    /// [`Error::LogNotFound`], or that the store is unavailable.
    pub async fn find(&self, context: &RequestContext, id: LogId) -> Result<IntegrationLogPage, Error> {
        let found = self.storage.find_log(id).await?;
        found
            .filter(|page| context.principal.scope.contains_call(page.log.intent.connector_id))
            .ok_or(Error::LogNotFound)
    }
}
