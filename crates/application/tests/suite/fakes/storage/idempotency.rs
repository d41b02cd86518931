//! Requests that name themselves.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{ClaimedEffect, IdempotencyClaim, KeptAnswer, KnownKey};
use domain::integration_log::{CallIntent, Completion, Outcome};
use domain::lease::Premise;
use domain::repository::{Begun, CallJournal, IdempotencyKeys, Recorded, StorageResult};

use super::{MemoryStorage, Tables};

#[async_trait]
impl IdempotencyKeys for MemoryStorage {
    async fn find_idempotency_key(&self, claim: &IdempotencyClaim) -> StorageResult<Option<KnownKey>> {
        let state = self.state();
        let found = state.tables.claims.iter().find(|(known, _)| is_of_same(known, claim));
        Ok(found
            .filter(|(known, _)| known.claimed_at >= claim.lapsed_before())
            .map(|(known, effect)| KnownKey { fingerprint: known.fingerprint, effect: effect.clone() }))
    }

    async fn begin_call_once(
        &self,
        intent: &CallIntent,
        premise: &Premise,
        claim: &IdempotencyClaim,
    ) -> StorageResult<Begun> {
        if self.find_idempotency_key(claim).await?.is_some() {
            return Ok(Begun::Refused);
        }
        let begun = self.begin_call(intent, premise).await?;
        if begun != Begun::Refused {
            self.state().tables.claim(claim, ClaimedEffect::Began(intent.id));
        }
        Ok(begun)
    }

    async fn skip_call_once(
        &self,
        intent: &CallIntent,
        completion: &Completion,
        kept: &KeptAnswer,
    ) -> StorageResult<Recorded> {
        if self.find_idempotency_key(&kept.claim).await?.is_some() {
            return Ok(Recorded::Refused);
        }
        self.skip_call(intent, completion).await?;
        self.state().tables.claim(&kept.claim, ClaimedEffect::Answered(kept.answer.clone()));
        Ok(Recorded::Kept)
    }

    async fn complete_call_once(&self, outcome: &Arc<Outcome>, kept: &KeptAnswer) -> StorageResult<Recorded> {
        let recorded = self.complete_call(outcome).await?;
        if recorded == Recorded::Kept {
            let mut state = self.state();
            let claims = &mut state.tables.claims;
            let claimed = claims.iter_mut().find(|(claim, _)| is_of_same(claim, &kept.claim));
            claimed.expect("a claim").1 = ClaimedEffect::Answered(kept.answer.clone());
        }
        Ok(recorded)
    }

    async fn forget_idempotency_keys(&self, before: DateTime<Utc>, _batch: u32) -> StorageResult<u64> {
        let claims = &mut self.state().tables.claims;
        let all = claims.len();
        claims.retain(|(claim, _)| claim.claimed_at >= before);
        Ok((all - claims.len()) as u64)
    }
}

impl Tables {
    /// False when the key belongs to another request.
    pub(super) fn claim(&mut self, claim: &IdempotencyClaim, effect: ClaimedEffect) -> bool {
        self.claims.retain(|(known, _)| !is_of_same(known, claim) || known.claimed_at >= claim.lapsed_before());
        let free = self.claims.iter().all(|(known, _)| !is_of_same(known, claim));
        if free {
            self.claims.push((claim.clone(), effect));
        }
        free
    }
}

fn is_of_same(one: &IdempotencyClaim, other: &IdempotencyClaim) -> bool {
    (&one.owner, &one.key) == (&other.owner, &other.key)
}
