//! Calls whose requests name themselves: the claim to the key is durable together with the intent, the answer together
//! with the outcome. What lies between the two is never made again.

use std::sync::Arc;

use domain::idempotency::{IdempotencyClaim, KeptAnswer, StoredAnswer};

use super::{Execution, IntegrationExecutionService};
use crate::error::Error;
use crate::idempotency::{Recalled, recall};

/// The request that a call is made for.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) claim: IdempotencyClaim,
    /// Writes its answer.
    pub(super) render: Arc<dyn Fn(Execution) -> StoredAnswer + Send + Sync>,
}

/// How a request to make a call ended.
pub(super) enum Ended {
    /// With a call.
    Now(Box<Execution>),
    /// With the answer of an earlier one.
    Before(StoredAnswer),
}

impl Named {
    /// The answer, to be kept together with the outcome that it tells.
    pub(super) fn keep(&self, execution: &Execution) -> KeptAnswer {
        let answer = (self.render)(Execution { recorded: true, ..execution.clone() });
        KeptAnswer { claim: self.claim.clone(), answer }
    }

    /// The answer of an earlier request with the same key. Where its process died it is told from the record: that the
    /// outcome is unknown, or what else the record says.
    pub(super) async fn earlier(&self, service: &IntegrationExecutionService) -> Result<Option<StoredAnswer>, Error> {
        Ok(match recall(service.storage.as_ref(), &self.claim).await? {
            Recalled::Nothing => None,
            Recalled::Answer(answer) => Some(answer),
            Recalled::Call(log) => {
                Some((self.render)(Execution { log: *log, response: None, mapping: None, recorded: true }))
            }
        })
    }
}
