//! The retry quotas of this process, one per connector (RT-8).

use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use domain::integration_log::Attempt;
use domain::retry_quota::{CAPACITY, RetryCost, RetryQuota};

use super::per_connector::PerConnector;

#[derive(Default)]
pub(super) struct Quotas(PerConnector<RetryQuota>);

/// The retries of one call. What was paid for one that was not made after all goes back when this is dropped.
pub(super) struct Retries<'a> {
    quotas: &'a Quotas,
    connector: ConnectorId,
    planned: Option<RetryCost>,
    made: Option<RetryCost>,
}

impl Quotas {
    pub(super) const fn retries(&self, connector: ConnectorId) -> Retries<'_> {
        Retries { quotas: self, connector, planned: None, made: None }
    }

    /// The connectors whose quota was touched.
    pub(super) fn connectors(&self) -> Vec<ConnectorId> {
        self.0.connectors()
    }

    /// What is left of the connector's quota.
    pub(super) fn left(&self, connector: ConnectorId) -> u32 {
        self.0.look(connector, RetryQuota::left).unwrap_or(CAPACITY)
    }
}

impl Retries<'_> {
    /// Pays for a retry after this attempt.
    ///
    /// # Errors
    /// `retry-quota-exhausted`, with what it would have been after.
    pub(super) fn plan(&mut self, attempt: &Attempt, failure: &Failure) -> Result<(), Failure> {
        let cost = RetryCost::after(attempt.http_status_code, failure);
        if self.quotas.0.with(self.connector, |quota| quota.spend(cost)).is_err() {
            return Err(exhausted(failure));
        }
        self.planned = Some(cost);
        Ok(())
    }

    /// An attempt begins; it is the retry that was planned, if one was.
    pub(super) const fn begin(&mut self) {
        self.made = self.planned.take();
    }

    /// The attempt that began last was a success.
    pub(super) fn succeeded(&self) {
        self.quotas.0.with(self.connector, |quota| quota.succeeded(self.made));
    }
}

impl Drop for Retries<'_> {
    fn drop(&mut self) {
        if let Some(cost) = self.planned {
            self.quotas.0.with(self.connector, |quota| quota.not_made(cost));
        }
    }
}

fn exhausted(last: &Failure) -> Failure {
    let message =
        format!("the connector's retry quota is used up; no further attempt was made after: {}", last.message);
    Failure { details: last.details.clone(), ..Failure::new(ErrorCode::RetryQuotaExhausted, message) }
}
