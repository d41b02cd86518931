//! When to try again and how long to wait (RT-1 to RT-7). Pure: chance and the time left are arguments.

use std::time::Duration;

use crate::failure::{ErrorCode, Failure};

/// A throttled answer waits at least this long, however small the connector's delay is (RT-6).
pub const THROTTLE_FLOOR: Duration = Duration::from_secs(1);

/// What a further attempt needs at least; a wait that would not leave it is not begun (RT-2).
pub const LEAST_ATTEMPT: Duration = Duration::from_millis(100);

/// How the waits of different calls are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryJitter {
    /// Uniform between zero and the ceiling: callers that failed together do not come back together.
    Full,
    /// Exactly the ceiling.
    None,
}

impl RetryJitter {
    /// The value as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::None => "None",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Full, Self::None].into_iter().find(|jitter| jitter.as_str() == text)
    }
}

/// A connector's retry policy; its bounds are checked where connectors are parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after the first call: 0 to 10.
    pub max_retry_attempts: u32,
    /// The ceiling before the first retry: 0 to 300 s.
    pub delay: Duration,
    /// Whether the ceiling doubles with every retry.
    pub exponential: bool,
    /// How waits are spread below their ceiling.
    pub jitter: RetryJitter,
    /// The longest single wait: 1 to 300 s.
    pub max_delay: Duration,
}

/// Why an attempt did not start at once (`waitReason` of an attempt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The back-off of the retry policy.
    Backoff,
    /// The upstream throttled, which has a wait of its own.
    Throttled,
    /// The upstream's `Retry-After`.
    RetryAfter,
    /// The connector's rate limit (RL-3).
    RateLimit,
    /// A pause that the upstream asked another call for (RT-7).
    Paused,
    /// None: the attempt follows a 401 at once, with a renewed credential (RT-12).
    CredentialRenewed,
}

impl WaitReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Backoff, Self::Throttled, Self::RetryAfter, Self::RateLimit, Self::Paused, Self::CredentialRenewed];

    /// The reason as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::Throttled => "throttled",
            Self::RetryAfter => "retry-after",
            Self::RateLimit => "rate-limit",
            Self::Paused => "paused",
            Self::CredentialRenewed => "credential-renewed",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Whether the upstream can have seen a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Not one byte of it left: the name did not resolve, the connection was refused, TLS did not finish.
    NeverSent,
    /// It may have arrived.
    MaybeSent,
}

/// One attempt that failed, as the schedule sees it.
#[derive(Debug, Clone)]
pub struct FailedAttempt<'a> {
    /// What went wrong.
    pub failure: &'a Failure,
    /// The upstream's status, when it answered.
    pub http_status: Option<u16>,
    /// Whether the upstream can have seen the request.
    pub delivery: Delivery,
}

/// What is to be done after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wait, then try again.
    RetryAfter(Duration, WaitReason),
    /// Stop with the attempt's own failure.
    GiveUp,
    /// Stop for a reason of the schedule: the deadline, or a `Retry-After` beyond it.
    Stop(ErrorCode),
}

/// Whether a failed attempt was throttled: the upstream is there, and asks for less (RT-6).
#[must_use]
pub fn is_throttled(http_status: Option<u16>, failure: &Failure) -> bool {
    http_status == Some(429) || (http_status == Some(503) && failure.retry_after.is_some())
}

impl RetryPolicy {
    /// The longest wait before retry `retry` (1 is the first): `min(delay·2^(retry−1), max_delay)`, or
    /// `min(delay, max_delay)` when not exponential. [AWS Builders' Library, Timeouts, retries and backoff with jitter]
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = if self.exponential { 1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX) } else { 1 };
        self.delay.saturating_mul(factor).min(self.max_delay)
    }

    /// The wait before retry `retry`; `chance` is uniform in 0..=1 and used only with full jitter.
    #[must_use]
    pub fn wait(&self, retry: u32, chance: f64) -> Duration {
        let ceiling = self.ceiling(retry);
        match self.jitter {
            RetryJitter::None => ceiling,
            RetryJitter::Full => ceiling.mul_f64(chance.clamp(0.0, 1.0)).min(ceiling),
        }
    }

    /// Decides what follows a failed attempt. `retry` is the number of the retry that would come next, `repeatable`
    /// whether the request may arrive twice (a safe or idempotent method, or an idempotency key that the upstream
    /// honours), `remaining` the time until the call's deadline.
    #[must_use]
    pub fn decide(
        &self,
        attempt: &FailedAttempt<'_>,
        retry: u32,
        repeatable: bool,
        remaining: Duration,
        chance: f64,
    ) -> Verdict {
        let may_repeat = repeatable || attempt.delivery == Delivery::NeverSent;
        if !attempt.failure.retryable || !may_repeat || retry > self.max_retry_attempts {
            return Verdict::GiveUp;
        }
        let (wait, reason) = self.wait_after(attempt, retry, chance);
        if wait.saturating_add(LEAST_ATTEMPT) <= remaining {
            Verdict::RetryAfter(wait, reason)
        } else if reason == WaitReason::RetryAfter {
            Verdict::Stop(ErrorCode::RetryAfterTooLong)
        } else {
            Verdict::Stop(ErrorCode::DeadlineExceeded)
        }
    }

    fn wait_after(&self, attempt: &FailedAttempt<'_>, retry: u32, chance: f64) -> (Duration, WaitReason) {
        let backoff = self.wait(retry, chance);
        let asked = attempt.failure.retry_after;
        let floor = if is_throttled(attempt.http_status, attempt.failure) { THROTTLE_FLOOR } else { Duration::ZERO };
        match asked {
            Some(asked) if asked >= backoff && asked >= floor => (asked, WaitReason::RetryAfter),
            _ if floor > backoff => (floor, WaitReason::Throttled),
            _ => (backoff, WaitReason::Backoff),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn policy(delay_ms: u64, exponential: bool, jitter: RetryJitter) -> RetryPolicy {
        RetryPolicy {
            max_retry_attempts: 3,
            delay: Duration::from_millis(delay_ms),
            exponential,
            jitter,
            max_delay: Duration::from_mins(1),
        }
    }

    fn decide(status: Option<u16>, failure: &Failure, delivery: Delivery, repeatable: bool) -> Verdict {
        let attempt = FailedAttempt { failure, http_status: status, delivery };
        policy(5_000, true, RetryJitter::None).decide(&attempt, 1, repeatable, MINUTE, 0.0)
    }

    #[test]
    fn rt_1_ceilings_double_up_to_the_cap() {
        let doubling = policy(5_000, true, RetryJitter::None);
        let waits: Vec<_> = (1..=6).map(|retry| doubling.wait(retry, 0.3).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        let constant = policy(5_000, false, RetryJitter::None);
        assert_eq!(constant.wait(9, 0.3), Duration::from_secs(5));
        let full = policy(5_000, true, RetryJitter::Full);
        assert_eq!(full.wait(2, 0.5), Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn rt_1_a_wait_is_never_over_the_cap(
            delay in 0_u64..=300_000, max in 1_u64..=300, retry in 0_u32..=u32::MAX, chance in 0.0_f64..=1.0,
            exponential: bool, full: bool,
        ) {
            let jitter = if full { RetryJitter::Full } else { RetryJitter::None };
            let mut policy = policy(delay, exponential, jitter);
            policy.max_delay = Duration::from_secs(max);
            let wait = policy.wait(retry, chance);
            prop_assert!(wait <= policy.max_delay);
            prop_assert!(wait <= policy.ceiling(retry));
        }
    }

    #[rstest]
    #[case(408, true)]
    #[case(429, true)]
    #[case(500, true)]
    #[case(502, true)]
    #[case(503, true)]
    #[case(504, true)]
    #[case(301, false)]
    #[case(400, false)]
    #[case(401, false)]
    #[case(404, false)]
    #[case(501, false)]
    #[case(505, false)]
    fn rt_3_and_rt_4_the_status_decides(#[case] status: u16, #[case] retried: bool) {
        let verdict = decide(Some(status), &Failure::status(status, None), Delivery::MaybeSent, true);
        assert_eq!(verdict != Verdict::GiveUp, retried);
    }

    #[test]
    fn rt_5_a_request_that_may_have_arrived_is_repeated_only_where_that_is_safe() {
        let reset = Failure::new(ErrorCode::ConnectionReset, "reset");
        assert_eq!(decide(None, &reset, Delivery::MaybeSent, false), Verdict::GiveUp);
        assert_ne!(decide(None, &reset, Delivery::MaybeSent, true), Verdict::GiveUp);
        let refused = Failure::new(ErrorCode::ConnectRefused, "refused");
        assert_ne!(decide(None, &refused, Delivery::NeverSent, false), Verdict::GiveUp);
    }

    #[test]
    fn rt_2_a_wait_that_would_not_leave_time_for_an_attempt_is_not_begun() {
        let failure = Failure::status(503, None);
        let attempt = FailedAttempt { failure: &failure, http_status: Some(503), delivery: Delivery::MaybeSent };
        let policy = policy(5_000, true, RetryJitter::None);
        let verdict = |remaining_ms| policy.decide(&attempt, 1, true, Duration::from_millis(remaining_ms), 0.0);
        assert_eq!(verdict(5_099), Verdict::Stop(ErrorCode::DeadlineExceeded));
        assert_eq!(verdict(5_100), Verdict::RetryAfter(Duration::from_secs(5), WaitReason::Backoff));
    }

    #[test]
    fn rt_6_throttled_answers_wait_a_second_even_where_the_delay_is_smaller() {
        let policy = policy(10, true, RetryJitter::None);
        let verdict = |status, retry_after| {
            let failure = Failure::status(status, retry_after);
            let attempt = FailedAttempt { failure: &failure, http_status: Some(status), delivery: Delivery::MaybeSent };
            policy.decide(&attempt, 1, true, MINUTE, 0.0)
        };
        assert_eq!(verdict(429, None), Verdict::RetryAfter(THROTTLE_FLOOR, WaitReason::Throttled));
        assert_eq!(verdict(503, Some(Duration::ZERO)), Verdict::RetryAfter(THROTTLE_FLOOR, WaitReason::Throttled));
        assert_eq!(verdict(503, None), Verdict::RetryAfter(Duration::from_millis(10), WaitReason::Backoff));
    }

    #[test]
    fn rt_7_retry_after_is_honoured_or_ends_the_call() {
        let verdict = |seconds| {
            decide(Some(503), &Failure::status(503, Some(Duration::from_secs(seconds))), Delivery::MaybeSent, true)
        };
        assert_eq!(verdict(7), Verdict::RetryAfter(Duration::from_secs(7), WaitReason::RetryAfter));
        assert_eq!(
            verdict(2),
            Verdict::RetryAfter(Duration::from_secs(5), WaitReason::Backoff),
            "never earlier than the back-off"
        );
        assert_eq!(verdict(3_600), Verdict::Stop(ErrorCode::RetryAfterTooLong));
    }

    #[test]
    fn the_last_retry_is_the_one_the_policy_names() {
        let failure = Failure::status(503, None);
        let attempt = FailedAttempt { failure: &failure, http_status: Some(503), delivery: Delivery::MaybeSent };
        let policy = policy(0, true, RetryJitter::None);
        assert_ne!(policy.decide(&attempt, 3, true, MINUTE, 0.0), Verdict::GiveUp);
        assert_eq!(policy.decide(&attempt, 4, true, MINUTE, 0.0), Verdict::GiveUp);
    }
}
