//! How a call begins: judged by its connector as this process knows it, and begun only if that still holds in the store
//! at the moment of the write (RT-10, DU-1).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::call::{Call, CallDraft};
use domain::connector::{Connector, ConnectorStatus};
use domain::error::StorageError;
use domain::failure::{ErrorCode, Failure};
use domain::id::ConnectorId;
use domain::idempotency::StoredAnswer;
use domain::integration_log::{IntegrationLog, IntegrationStatus};
use domain::lease::Premise;
use domain::repository::{Begun, Recorded};
use tokio::time::{Instant, timeout_at};

use super::named::{Ended, Named};
use super::running::{Running, log_outcome};
use super::slots::Slot;
use super::{Execution, IntegrationExecutionService};
use crate::context::RequestContext;
use crate::error::Error;

/// How often a call is judged anew because the connector changed under it, or the lease lapsed.
const TRIES: usize = 4;

/// A call that is asked for.
pub(super) struct Beginning {
    pub(super) service: Arc<IntegrationExecutionService>,
    pub(super) context: RequestContext,
    pub(super) id: ConnectorId,
    pub(super) draft: CallDraft,
    pub(super) begun: Instant,
    /// The same moment by the clock.
    pub(super) came: DateTime<Utc>,
    /// The request, if it names itself.
    pub(super) named: Option<Named>,
}

/// What came of a call before its first attempt.
enum Prepared {
    /// Its intent is durable, and it has its place.
    Begun(Box<Running>, Slot),
    /// It was skipped, or answered before.
    Ended(Ended),
}

impl Beginning {
    /// Begins the call and makes it, or skips it.
    pub(super) async fn run(self) -> Result<Ended, Error> {
        let (running, _slot) = match self.prepare().await? {
            Prepared::Begun(running, slot) => (running, slot),
            Prepared::Ended(ended) => return Ok(ended),
        };
        Ok(Ended::Now(Box::new(running.run().await)))
    }

    async fn prepare(&self) -> Result<Prepared, Error> {
        if let Some(earlier) = self.earlier().await? {
            return Ok(Prepared::Ended(Ended::Before(earlier)));
        }
        // What this process knows serves once: whatever speaks against the call is judged by the store's own word.
        if let Some(connector) = self.service.known.find(self.id)
            && let Ok(call) = self.draft.clone().parse(&connector)
            && let Some(slot) = self.service.limits.slots.try_take(self.id)
            && let Some(running) = self.begin(connector, call).await?
        {
            return Ok(Prepared::Begun(Box::new(running), slot));
        }
        // Whoever has to wait for its turn has no row yet; nothing is asked of the store meanwhile.
        let mut slot = None;
        for _ in 0..TRIES {
            // Another request with the same key may be what has refused it.
            if let Some(earlier) = self.earlier().await? {
                return Ok(Prepared::Ended(Ended::Before(earlier)));
            }
            self.service.known.forget(self.id);
            let connector = self.service.lookups.find(self.id).await?.ok_or(Error::ConnectorNotFound)?;
            let call = self.draft.clone().parse(&connector)?;
            if connector.switch.status == ConnectorStatus::Disabled {
                let ended = self.end(&connector, &call, IntegrationStatus::Skipped, disabled()).await?;
                return Ok(Prepared::Ended(ended));
            }
            self.service.known.remember(&connector);
            if slot.is_none() {
                match self.turn(&connector).await {
                    Ok(taken) => slot = Some(taken),
                    Err(failure) => {
                        let ended = self.end(&connector, &call, IntegrationStatus::Failed, failure).await?;
                        return Ok(Prepared::Ended(ended));
                    }
                }
            }
            if let Some(running) = self.begin(connector, call).await?
                && let Some(slot) = slot.take()
            {
                return Ok(Prepared::Begun(Box::new(running), slot));
            }
        }
        let why = "the connector kept changing, or the lease of this process lapsed, while the call was being begun";
        Err(StorageError::Unavailable(why.into()).into())
    }

    /// `None` when the premise does not hold.
    async fn begin(&self, connector: Arc<Connector>, call: Call) -> Result<Option<Running>, Error> {
        let intent = self.service.intent(&self.context, &connector, &call, self.came);
        let lease = self.service.leases.lease().await?;
        let premise = Premise { connector_version: Some(connector.version), lease };
        let begun = match &self.named {
            None => self.service.storage.begin_call(&intent, &premise).await?,
            Some(named) => self.service.storage.begin_call_once(&intent, &premise, &named.claim).await?,
        };
        match begun {
            Begun::InProgress { paused } => Ok(Some(Running {
                service: Arc::clone(&self.service),
                context: self.context.clone(),
                connector,
                call,
                intent,
                lease,
                paused,
                begun: self.begun,
                named: self.named.clone(),
            })),
            Begun::Refused => {
                // Should it be the lease that is at fault, the next try opens another.
                if !self.service.storage.extend_lease(lease).await? {
                    self.service.leases.forget(lease);
                }
                Ok(None)
            }
        }
    }

    /// Waits until the call may be made, but not beyond its deadline (RL-4).
    async fn turn(&self, connector: &Connector) -> Result<Slot, Failure> {
        let slots = &self.service.limits.slots;
        let deadline = self.begun + connector.settings.deadline;
        let taken = tokio::select! {
            biased;
            () = self.service.shutdown.cancelled() => None,
            taken = timeout_at(deadline, slots.take(self.id)) => taken.map_err(|_| {
                let message = format!("the call waited for its turn until its deadline, and nothing was sent; {}", slots.sizes());
                Failure::new(ErrorCode::DeadlineExceeded, message)
            })?,
        };
        let message = "the service was shutting down while the call waited for its turn; nothing was sent";
        taken.ok_or_else(|| Failure::new(ErrorCode::Cancelled, message))
    }

    /// No outbound call and no look-up of the secret; only the record.
    async fn end(
        &self,
        connector: &Connector,
        call: &Call,
        status: IntegrationStatus,
        failure: Failure,
    ) -> Result<Ended, Error> {
        let intent = self.service.intent(&self.context, connector, call, self.came);
        let completion = self.service.completion(self.begun, status, None, 0, Some(failure));
        let log = IntegrationLog::completed(intent.clone(), completion.clone());
        let execution = Execution { log, response: None, mapping: None, recorded: true };
        match &self.named {
            None => self.service.storage.skip_call(&intent, &completion).await?,
            Some(named) => {
                let kept = named.keep(&execution);
                if self.service.storage.skip_call_once(&intent, &completion, &kept).await? == Recorded::Refused {
                    let earlier = self.earlier().await?;
                    return earlier.map(Ended::Before).ok_or(Error::IdempotencyKeyInFlight);
                }
            }
        }
        self.service.meter.call_ended(connector.id, &completion);
        match status {
            IntegrationStatus::Skipped => {
                tracing::info!(log_id = %intent.id, connector_id = %connector.id, "call skipped");
            }
            _ => log_outcome(&intent, &completion),
        }
        Ok(Ended::Now(Box::new(execution)))
    }

    async fn earlier(&self) -> Result<Option<StoredAnswer>, Error> {
        match &self.named {
            None => Ok(None),
            Some(named) => named.earlier(&self.service).await,
        }
    }
}

fn disabled() -> Failure {
    Failure::new(ErrorCode::ConnectorDisabled, "the connector is disabled; nothing was sent")
}
