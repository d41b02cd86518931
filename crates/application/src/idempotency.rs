//! Requests that name themselves: how a repetition is recognised, and what it is answered.

use std::sync::Arc;

use domain::idempotency::{ClaimedEffect, Fingerprint, IdempotencyClaim, IdempotencyKey, KnownKey, StoredAnswer};
use domain::integration_log::{IntegrationLog, IntegrationStatus};
use domain::repository::Storage;

use crate::context::RequestContext;
use crate::error::Error;
use crate::ports::Clock;

/// A request that names itself, and how what it comes to is written as an answer.
#[derive(Clone)]
pub struct Once<T> {
    /// The key that its caller chose.
    pub key: IdempotencyKey,
    /// What it asks for.
    pub fingerprint: Fingerprint,
    /// Writes the answer.
    pub render: Arc<dyn Fn(T) -> StoredAnswer + Send + Sync>,
}

/// The answer to a request that names itself.
#[derive(Debug, PartialEq, Eq)]
pub struct OnceAnswer {
    /// The answer.
    pub answer: StoredAnswer,
    /// Whether it is that of an earlier request.
    pub replayed: bool,
}

impl OnceAnswer {
    /// An answer of now.
    #[must_use]
    pub const fn fresh(answer: StoredAnswer) -> Self {
        Self { answer, replayed: false }
    }

    pub(crate) const fn replayed(answer: StoredAnswer) -> Self {
        Self { answer, replayed: true }
    }
}

impl<T> Once<T> {
    /// The claim that the request makes now.
    pub(crate) fn claim(&self, context: &RequestContext, clock: &dyn Clock) -> IdempotencyClaim {
        IdempotencyClaim {
            owner: context.principal.actor.clone(),
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            claimed_at: clock.now(),
        }
    }
}

/// What an earlier request with the same key came to.
pub(crate) enum Recalled {
    /// There was none.
    Nothing,
    /// Its answer.
    Answer(StoredAnswer),
    /// The call that it made and whose answer is lost: its process ended between the two.
    Call(Box<IntegrationLog>),
}

/// Looks for an earlier request.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`], [`Error::IdempotencyKeyInFlight`], or that the store is unavailable.
pub(crate) async fn recall(storage: &dyn Storage, claim: &IdempotencyClaim) -> Result<Recalled, Error> {
    let call = match known(storage, claim).await? {
        None => return Ok(Recalled::Nothing),
        Some(ClaimedEffect::Answered(answer)) => return Ok(Recalled::Answer(answer)),
        Some(ClaimedEffect::Began(call)) => call,
    };
    let log = storage.find_log(call).await?.map(|page| page.log);
    let ended = log.filter(|log| log.status() != IntegrationStatus::InProgress).ok_or(Error::IdempotencyKeyInFlight)?;
    // The answer is written together with the end, which may have come between the two questions.
    match known(storage, claim).await? {
        Some(ClaimedEffect::Answered(answer)) => Ok(Recalled::Answer(answer)),
        _ => Ok(Recalled::Call(Box::new(ended))),
    }
}

async fn known(storage: &dyn Storage, claim: &IdempotencyClaim) -> Result<Option<ClaimedEffect>, Error> {
    match storage.find_idempotency_key(claim).await? {
        Some(KnownKey { fingerprint, .. }) if fingerprint != claim.fingerprint => Err(Error::IdempotencyKeyReused),
        known => Ok(known.map(|known| known.effect)),
    }
}
