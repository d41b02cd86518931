//! The budget for repetitions of one connector (RT-8): successes pay for retries, so that an upstream that is down is not
//! hit by a multiple of the calls. Pure.

use crate::failure::Failure;
use crate::retry::is_throttled;

/// What a full quota holds; it never holds more.
pub const CAPACITY: u32 = 500;

/// What a success at the first attempt gives back.
const FIRST_TRY: u32 = 1;

/// What a retry takes from the quota. [AWS SDKs, retry behavior, standard mode]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCost {
    /// After a transient failure, or anything else that is no throttling.
    Transient,
    /// After an answer that throttles (RT-6): the upstream is there, and says when to come back.
    Throttled,
}

impl RetryCost {
    /// The cost of a retry after an attempt that failed so.
    #[must_use]
    pub fn after(http_status: Option<u16>, failure: &Failure) -> Self {
        if is_throttled(http_status, failure) { Self::Throttled } else { Self::Transient }
    }

    const fn units(self) -> u32 {
        match self {
            Self::Transient => 14,
            Self::Throttled => 5,
        }
    }
}

/// The quota does not hold what the retry costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// The quota of one connector. It is refilled by successes only, never by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryQuota {
    left: u32,
}

impl Default for RetryQuota {
    fn default() -> Self {
        Self { left: CAPACITY }
    }
}

impl RetryQuota {
    /// What it holds, 0 to [`CAPACITY`].
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// Takes what a retry costs.
    ///
    /// # Errors
    /// [`Exhausted`]; then nothing is taken.
    pub const fn spend(&mut self, cost: RetryCost) -> Result<(), Exhausted> {
        match self.left.checked_sub(cost.units()) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Exhausted),
        }
    }

    /// A call was a success, at its first attempt or by a retry, which is the last one and gets its cost back.
    pub fn succeeded(&mut self, last_retry: Option<RetryCost>) {
        let refund = last_retry.map_or(FIRST_TRY, RetryCost::units);
        self.left = (self.left + refund).min(CAPACITY);
    }

    /// A retry was paid for and not made.
    pub fn not_made(&mut self, cost: RetryCost) {
        self.left = (self.left + cost.units()).min(CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(RetryCost::Transient, 35, 10)]
    #[case(RetryCost::Throttled, 100, 0)]
    fn rt_8_a_full_quota_pays_for_so_many_retries(#[case] cost: RetryCost, #[case] retries: u32, #[case] left: u32) {
        let mut quota = RetryQuota::default();
        for _ in 0..retries {
            assert_eq!(quota.spend(cost), Ok(()));
        }
        assert_eq!(quota.spend(cost), Err(Exhausted));
        assert_eq!(quota.left(), left, "what is refused takes nothing");
    }

    #[rstest]
    #[case(503, None, RetryCost::Transient)]
    #[case(503, Some(0), RetryCost::Throttled)]
    #[case(429, None, RetryCost::Throttled)]
    #[case(401, None, RetryCost::Transient)]
    fn rt_8_throttling_makes_a_retry_cheaper(#[case] status: u16, #[case] asked: Option<u64>, #[case] cost: RetryCost) {
        let failure = Failure::status(status, asked.map(Duration::from_secs));
        assert_eq!(RetryCost::after(Some(status), &failure), cost);
    }

    #[test]
    fn rt_8_a_thousand_calls_to_a_dead_upstream_are_repeated_thirty_five_times() {
        let mut quota = RetryQuota::default();
        let mut hits = 0;
        for _ in 0..1_000 {
            hits += 1;
            hits += (0..2).take_while(|_| quota.spend(RetryCost::Transient).is_ok()).count();
        }
        assert_eq!(hits, 1_035);
    }

    #[rstest]
    #[case::at_the_first_try(None, 1)]
    #[case::by_a_retry(Some(RetryCost::Transient), 14)]
    #[case::by_a_retry_after_throttling(Some(RetryCost::Throttled), 5)]
    fn rt_8_a_success_gives_back(#[case] last_retry: Option<RetryCost>, #[case] refund: u32) {
        let mut quota = RetryQuota { left: 100 };
        quota.succeeded(last_retry);
        assert_eq!(quota.left(), 100 + refund);
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Spend(RetryCost),
        Succeed(Option<RetryCost>),
        NotMade(RetryCost),
    }

    fn event() -> impl Strategy<Value = Event> {
        let cost = prop_oneof![Just(RetryCost::Transient), Just(RetryCost::Throttled)];
        prop_oneof![
            cost.clone().prop_map(Event::Spend),
            prop::option::of(cost.clone()).prop_map(Event::Succeed),
            cost.prop_map(Event::NotMade),
        ]
    }

    proptest! {
        #[test]
        fn rt_8_it_never_holds_more_than_its_capacity(events in prop::collection::vec(event(), 0..500)) {
            let mut quota = RetryQuota::default();
            for event in events {
                let before = quota.left();
                match event {
                    Event::Spend(cost) => {
                        let spent = quota.spend(cost);
                        prop_assert_eq!(spent.is_ok(), before >= cost.units());
                    }
                    Event::Succeed(cost) => quota.succeeded(cost),
                    Event::NotMade(cost) => quota.not_made(cost),
                }
                prop_assert!(quota.left() <= CAPACITY);
            }
        }
    }
}
