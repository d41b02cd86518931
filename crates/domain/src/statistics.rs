//! What calls through connectors came to, in numbers. Pure: the store counts calls in groups, and what people read is
//! worked out from the groups here.

mod duration_class;
mod timeline;

use chrono::{DateTime, Utc};

pub use self::duration_class::{CLASS_BORDERS, DurationClass};
pub use self::timeline::{Timeline, Window};
use crate::correlation::CorrelationId;
use crate::failure::ErrorCode;
use crate::id::{ConnectorId, LogId};
use crate::integration_log::IntegrationStatus;

/// So many calls that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallGroup {
    /// In which bucket of the [`Timeline`] they began.
    pub bucket: usize,
    /// How they stand.
    pub status: IntegrationStatus,
    /// How long they took; `None` while they are in progress.
    pub duration: Option<DurationClass>,
    /// How many they are.
    pub calls: u64,
    /// The attempts of all of them.
    pub attempts: u64,
}

/// The failed call of a connector that began last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The call.
    pub log_id: LogId,
    /// Under which request.
    pub correlation_id: CorrelationId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why it failed.
    pub code: ErrorCode,
    /// The same in one sentence.
    pub message: String,
    /// The status of the last answer.
    pub http_status_code: Option<u16>,
}

/// The calls of one connector, as the store counted them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorCalls {
    /// The connector.
    pub id: ConnectorId,
    /// Its name now.
    pub name: String,
    /// Its calls, each in one group, in no order.
    pub groups: Vec<CallGroup>,
    /// Why the last failed call failed.
    pub last_error: Option<LastError>,
}

impl ConnectorCalls {
    /// All of them together.
    #[must_use]
    pub fn in_all(&self) -> Tally {
        self.groups.iter().collect()
    }

    /// Those of one bucket.
    #[must_use]
    pub fn in_bucket(&self, bucket: usize) -> Tally {
        self.groups.iter().filter(|group| group.bucket == bucket).collect()
    }
}

/// Calls, counted. Rates, attempts per call and durations are those of calls that were made and have ended, `Success` or
/// `Failed`: a skipped call took no time and says nothing about the upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    by_status: [u64; IntegrationStatus::ALL.len()],
    attempts: u64,
    attempts_of_ended: u64,
    /// Of the calls that ended, from the quickest on.
    durations: Vec<(DurationClass, u64)>,
}

impl<'a> FromIterator<&'a CallGroup> for Tally {
    fn from_iter<T: IntoIterator<Item = &'a CallGroup>>(groups: T) -> Self {
        let mut tally = Self::default();
        for group in groups {
            tally.by_status[group.status as usize] += group.calls;
            tally.attempts += group.attempts;
            if matches!(group.status, IntegrationStatus::Success | IntegrationStatus::Failed) {
                tally.attempts_of_ended += group.attempts;
                tally.durations.extend(group.duration.map(|class| (class, group.calls)));
            }
        }
        tally.durations.sort_unstable_by_key(|(class, _)| *class);
        tally
    }
}

impl Tally {
    /// All calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// The calls of this status.
    #[must_use]
    pub const fn of_status(&self, status: IntegrationStatus) -> u64 {
        self.by_status[status as usize]
    }

    /// The attempts of all calls, those in progress as far as they are recorded.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// From 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        ratio(self.of_status(IntegrationStatus::Success), self.ended())
    }

    /// How many attempts a call took on the average.
    #[must_use]
    pub fn attempts_per_call(&self) -> Option<f64> {
        ratio(self.attempts_of_ended, self.ended())
    }

    /// The least duration in milliseconds that at least `percent` of the calls did not exceed, within 5 %.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let calls: u64 = self.durations.iter().map(|(_, calls)| calls).sum();
        let rank = (calls * percent).div_ceil(100).max(1);
        let mut counted = 0;
        let reached = self.durations.iter().find(|(_, calls)| {
            counted += calls;
            counted >= rank
        });
        reached.map(|(class, _)| class.milliseconds())
    }

    const fn ended(&self) -> u64 {
        self.of_status(IntegrationStatus::Success) + self.of_status(IntegrationStatus::Failed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of 2^53 calls is as good as exact")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(status: IntegrationStatus, milliseconds: u64, calls: u64, attempts: u64) -> CallGroup {
        let duration = Some(DurationClass::of(milliseconds));
        CallGroup { bucket: 0, status, duration, calls, attempts }
    }

    #[test]
    fn rates_are_of_calls_that_were_made_and_have_ended() {
        let under_way =
            CallGroup { bucket: 0, status: IntegrationStatus::InProgress, duration: None, calls: 4, attempts: 3 };
        let groups = [
            group(IntegrationStatus::Success, 10, 3, 4),
            group(IntegrationStatus::Failed, 20, 1, 4),
            group(IntegrationStatus::Skipped, 0, 100, 0),
            under_way,
        ];
        let tally: Tally = groups.iter().collect();
        assert_eq!((tally.calls(), tally.attempts()), (108, 11));
        let counts = IntegrationStatus::ALL.map(|status| tally.of_status(status));
        assert_eq!(counts, [4, 3, 1, 100]);
        assert_eq!((tally.success_rate(), tally.attempts_per_call()), (Some(0.75), Some(2.0)));
        assert_eq!([50, 75, 95].map(|percent| tally.percentile(percent)), [Some(10), Some(10), Some(20)]);
    }

    #[test]
    fn without_calls_there_are_no_rates() {
        let tally: Tally = [group(IntegrationStatus::Skipped, 0, 7, 0)].iter().collect();
        assert_eq!((tally.success_rate(), tally.attempts_per_call(), tally.percentile(50)), (None, None, None));
        assert_eq!(tally.calls(), 7);
    }

    #[test]
    fn a_bucket_has_the_calls_that_began_in_it() {
        let mut groups = vec![group(IntegrationStatus::Success, 10, 3, 3), group(IntegrationStatus::Success, 10, 5, 5)];
        groups[1].bucket = 1;
        let id = ConnectorId::new(uuid::Uuid::nil());
        let calls = ConnectorCalls { id, name: "HR".to_owned(), groups, last_error: None };
        let counted = (calls.in_bucket(0).calls(), calls.in_bucket(1).calls(), calls.in_bucket(2).calls());
        assert_eq!((counted, calls.in_all().calls()), ((3, 5, 0), 8));
    }

    /// Milliseconds of every order of magnitude, as durations are.
    fn milliseconds() -> impl Strategy<Value = u64> {
        (0_u32..30).prop_flat_map(|bits| 0..1_u64 << bits)
    }

    proptest! {
        #[test]
        fn percentiles_are_within_five_percent_of_the_exact_ones(
            mut durations in prop::collection::vec(milliseconds(), 1..300),
            percent in 1_u64..=100,
        ) {
            let groups: Vec<_> =
                durations.iter().map(|duration| group(IntegrationStatus::Success, *duration, 1, 1)).collect();
            let found = groups.iter().collect::<Tally>().percentile(percent).expect("there are calls");
            durations.sort_unstable();
            let rank = (durations.len() * usize::try_from(percent).expect("small")).div_ceil(100);
            let exact = durations[rank - 1];
            prop_assert!(found.abs_diff(exact) * 20 <= exact, "{found} for {exact}");
        }
    }
}
