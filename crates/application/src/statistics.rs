//! How connectors fare: what their calls came to, and what this process makes of it.

use std::sync::Arc;

use domain::repository::Storage;
use domain::statistics::{ConnectorCalls, Timeline, Window};

use crate::context::RequestContext;
use crate::error::Error;
use crate::execution::{Bounds, IntegrationExecutionService};
use crate::ports::Clock;

/// The use case of statistics. Connectors that the caller may not see are not there (CO-5).
pub struct StatisticsService {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    execution: Arc<IntegrationExecutionService>,
}

/// What is told about connectors.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// The time that was looked at.
    pub timeline: Timeline,
    /// The connectors, by folded name.
    pub connectors: Vec<ConnectorStatistics>,
}

/// What is told about one connector.
#[derive(Debug, Clone)]
pub struct ConnectorStatistics {
    /// Its calls, of all replicas.
    pub calls: ConnectorCalls,
    /// What holds for its next call by this process.
    pub bounds: Bounds,
}

impl StatisticsService {
    /// The service over its ports; `execution` is the one of this process.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, execution: Arc<IntegrationExecutionService>) -> Self {
        Self { storage, clock, execution }
    }

    /// Every connector of the caller's with its calls of the `window` up to now; one look at the store.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn look(&self, context: &RequestContext, window: Window) -> Result<Statistics, Error> {
        let timeline = window.until(self.clock.now());
        let counted = self.storage.count_calls(&timeline, &context.principal.scope).await?;
        let connectors = counted.into_iter().map(|calls| {
            let bounds = self.execution.bounds(calls.id);
            ConnectorStatistics { calls, bounds }
        });
        Ok(Statistics { connectors: connectors.collect(), timeline })
    }
}
