//! Whether this replica can do its work.

use std::sync::Arc;

use domain::repository::Storage;
use tokio_util::sync::CancellationToken;

use crate::error::Causes;

/// One thing that the work depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub passed: bool,
}

/// The use case of the readiness probe.
pub struct HealthService {
    storage: Arc<dyn Storage>,
    leaving: CancellationToken,
}

impl HealthService {
    /// The service over its port. Once `leaving` is cancelled the replica is not ready, at once (DU-6).
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, leaving: CancellationToken) -> Self {
        Self { storage, leaving }
    }

    /// Looks at everything that the work depends on. Causes go to the log, not to the caller, who may be anonymous.
    pub async fn checks(&self) -> Vec<Check> {
        let serving = Check { name: "serving", passed: !self.leaving.is_cancelled() };
        let storage = match self.storage.check().await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = %Causes(&error), "the store is not ready");
                false
            }
        };
        vec![serving, Check { name: "storage", passed: storage }]
    }
}
