//! Reading the audit trail, verifying it, and handing it on.

mod export;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::audit::{AuditFilter, AuditHead, ChainedEntry, Verification};
use domain::page::{Page, PageRequest};
use domain::repository::Storage;

pub use self::export::AuditExport;
use crate::error::Error;

/// How long is waited for the store where an older answer will do.
const PATIENCE: Duration = Duration::from_secs(1);

/// The use cases of the audit trail.
pub struct AuditService {
    storage: Arc<dyn Storage>,
    /// The end that was seen last.
    seen: Mutex<Option<AuditHead>>,
    /// Who verifies reads the whole trail: one at a time.
    verifying: tokio::sync::Mutex<()>,
}

impl AuditService {
    /// The service over its port.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, seen: Mutex::default(), verifying: tokio::sync::Mutex::default() }
    }

    /// Entries that match `filter`, the newest first.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn list(&self, filter: &AuditFilter, page: &PageRequest<i64>) -> Result<Page<ChainedEntry, i64>, Error> {
        Ok(self.storage.list_entries(filter, page).await?)
    }

    /// Verifies the whole trail; an anchor, which is an end that was kept elsewhere, has to be in it. A trail that is not
    /// as it was written is an answer, not an error.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn verify(&self, anchor: Option<AuditHead>) -> Result<Verification, Error> {
        let _turn = self.verifying.lock().await;
        let verification = self.storage.verify_chain(anchor).await?;
        if let Some(fault) = &verification.fault {
            let (sequence, problem) = (fault.sequence, fault.problem.as_str());
            tracing::error!(security_event = "audit-invalid", sequence, problem, "the audit is not as it was written");
        }
        Ok(verification)
    }

    /// Begins to hand on the entries that match `filter` and that there are now, the oldest first.
    ///
    /// # Errors
    /// That the store is unavailable.
    pub async fn export(&self, filter: AuditFilter) -> Result<AuditExport, Error> {
        AuditExport::begin(self.storage.clone(), filter).await
    }

    /// The end of the chain as the store has it, and the one that was seen last while the store is away; `None` when none
    /// was seen yet.
    pub async fn head(&self) -> Option<AuditHead> {
        let found = tokio::time::timeout(PATIENCE, self.storage.audit_head()).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(head)) = found {
            *seen = Some(head);
        }
        *seen
    }
}
