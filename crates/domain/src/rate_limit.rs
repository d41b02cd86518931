//! The sliding window of a connector's rate limit, and the pause that its upstream asked for (RL-1, RL-2, RT-7). Pure:
//! the time is an argument, and it is always the store's, so that all replicas count by one clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::retry::WaitReason;

/// How long a permit counts. The limit is meant for any 60 s; the second more is for the way from the permit to the
/// upstream, which takes one request longer than another, so that the upstream sees no more than the limit either.
pub const WINDOW: TimeDelta = TimeDelta::seconds(61);

/// The longest pause, whatever the upstream asks for.
pub const MAX_PAUSE: Duration = Duration::from_mins(15);

/// The permits of one second. They count as if all had been given at the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When the last of them was given.
    pub at: DateTime<Utc>,
    /// How many.
    pub permits: u32,
}

/// What one connector was permitted in the last minute, and whether it is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The oldest first; one for each second in which there were permits.
    pub buckets: Vec<Bucket>,
    /// No permit is given before this.
    pub paused_until: Option<DateTime<Utc>>,
}

/// What an ask for permits was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits {
    /// So many attempts may start now.
    pub granted: u32,
    /// Why there are not more; `None` when all that were asked for are granted.
    pub closed: Option<Closed>,
}

/// Why there is no permit at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// [`WaitReason::RateLimit`] or [`WaitReason::Paused`], whichever lasts longer.
    pub reason: WaitReason,
    /// After this there is one, if nobody else takes it.
    pub opens_after: Duration,
}

impl Window {
    /// Takes up to `wanted` permits under the present `limit` (0 is none); answers how many were there. A limit that has
    /// changed counts the permits that were given under the old one. A clock that steps back behind the last permit stands
    /// still until it has caught up: it never makes room. An ask that gets nothing changes nothing.
    pub fn take(&mut self, clock: DateTime<Utc>, limit: u32, wanted: u32) -> u32 {
        if self.is_paused(clock) {
            return 0;
        }
        if limit == 0 {
            return wanted;
        }
        let now = self.buckets.last().map_or(clock, |newest| newest.at.max(clock));
        let counts = |bucket: &Bucket| bucket.at > now - WINDOW;
        let live = total(self.buckets.iter().filter(|bucket| counts(bucket)));
        let granted = wanted.min(limit.saturating_sub(live));
        if granted > 0 {
            self.buckets.retain(counts);
            match self.buckets.last_mut().filter(|newest| newest.at.timestamp() == now.timestamp()) {
                Some(newest) => *newest = Bucket { at: now, permits: newest.permits.saturating_add(granted) },
                None => self.buckets.push(Bucket { at: now, permits: granted }),
            }
        }
        granted
    }

    /// What an ask for `wanted` permits comes to that was given `granted` at that moment, this window being left.
    #[must_use]
    pub fn answer(&self, clock: DateTime<Utc>, limit: u32, wanted: u32, granted: u32) -> Permits {
        let closed = (granted < wanted).then(|| {
            let pause = self.paused_until.map_or(TimeDelta::zero(), |end| end - clock);
            let full = self.opens_at(limit).map_or(TimeDelta::zero(), |opens| opens - clock);
            let reason = if pause > full { WaitReason::Paused } else { WaitReason::RateLimit };
            Closed { reason, opens_after: pause.max(full).to_std().unwrap_or_default() }
        });
        Permits { granted, closed }
    }

    fn is_paused(&self, clock: DateTime<Utc>) -> bool {
        self.paused_until.is_some_and(|end| end > clock)
    }

    /// When so many permits no longer count that there is one again.
    fn opens_at(&self, limit: u32) -> Option<DateTime<Utc>> {
        if limit == 0 {
            return None;
        }
        let mut counting = total(&self.buckets);
        let mut last = None;
        for bucket in &self.buckets {
            if counting < limit {
                break;
            }
            counting -= bucket.permits;
            last = Some(bucket.at + WINDOW);
        }
        last
    }
}

fn total<'a>(buckets: impl IntoIterator<Item = &'a Bucket>) -> u32 {
    buckets.into_iter().fold(0, |sum, bucket| sum.saturating_add(bucket.permits))
}

/// The pause of a connector whose upstream answered so: a throttled answer that says for how long (RT-7).
#[must_use]
pub fn pause_after(http_status: Option<u16>, retry_after: Option<Duration>) -> Option<Duration> {
    let asked = retry_after.filter(|asked| !asked.is_zero())?;
    matches!(http_status, Some(429 | 503)).then(|| asked.min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const MINUTE: TimeDelta = TimeDelta::seconds(60);

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_769_831_100_000 + milliseconds).expect("a moment")
    }

    /// Runs asks of `(milliseconds since the last, wanted, limit)`; answers every permit with its moment.
    fn permits(window: &mut Window, asks: &[(i64, u32, u32)]) -> Vec<DateTime<Utc>> {
        let mut clock = 0;
        let mut given = Vec::new();
        for (later, wanted, limit) in asks {
            clock += later;
            let granted = window.take(at(clock), *limit, *wanted);
            assert!(granted <= *wanted);
            given.extend((0..granted).map(|_| at(clock)));
        }
        given
    }

    /// The most permits in any 60 s.
    fn most(given: &[DateTime<Utc>]) -> usize {
        let mut first = 0;
        let within = |last: usize| {
            while given[last] - given[first] > MINUTE {
                first += 1;
            }
            last - first + 1
        };
        (0..given.len()).map(within).max().unwrap_or(0)
    }

    fn arrivals(limit: impl Strategy<Value = u32>) -> impl Strategy<Value = Vec<(i64, u32, u32)>> {
        let pause = prop_oneof![Just(0_i64), 0_i64..50, 0_i64..2_000, 0_i64..70_000];
        prop::collection::vec((pause, 0_u32..80, limit), 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rl_1_random_arrivals_never_have_more_than_the_limit_in_any_minute(asks in arrivals(Just(60))) {
            let given = permits(&mut Window::default(), &asks);
            prop_assert!(most(&given) <= 60);
        }

        #[test]
        fn rl_1_a_limit_that_changes_gives_no_extra_burst(asks in arrivals(1_u32..60)) {
            let given = permits(&mut Window::default(), &asks);
            prop_assert!(most(&given) <= 60, "the largest limit is never exceeded");
            // Whoever lowers the limit is sure of it: a permit is only given while fewer than that count.
            let (mut window, mut clock) = (Window::default(), 0);
            for (later, wanted, limit) in asks {
                clock += later;
                let granted = window.take(at(clock), limit, wanted);
                prop_assert!(granted == 0 || total(&window.buckets) <= limit);
            }
        }

        #[test]
        fn rl_1_steady_use_reaches_nineteen_of_twenty(limit in 1_u32..500, every in 80_i64..400, start in 0_i64..1_000) {
            let minutes = 3;
            let asks: Vec<_> = std::iter::once((start, u32::MAX, limit))
                .chain(std::iter::repeat_n((every, u32::MAX, limit), usize::try_from(minutes * 60_000 / every).expect("few")))
                .collect();
            let given = permits(&mut Window::default(), &asks);
            let least = usize::try_from(minutes).expect("few") * usize::try_from(limit).expect("few") * 95 / 100;
            prop_assert!(given.len() >= least, "{} of {least}", given.len());
            prop_assert!(most(&given) <= usize::try_from(limit).expect("few"));
        }

        #[test]
        fn rl_1_a_slow_stream_at_the_limit_is_hardly_held_up(limit in 1_u32..300) {
            // One call every 60/N s, each asking again until it may go.
            let every = 60_000 / i64::from(limit);
            let (mut window, mut waiting, mut given) = (Window::default(), 0_u32, 0_u32);
            for clock in (0..300_000).step_by(50) {
                waiting += u32::from(clock % every < 50);
                let granted = window.take(at(clock), limit, waiting);
                waiting -= granted;
                given += granted;
            }
            prop_assert!(given * 100 >= limit * 5 * 95, "{given} of {}", limit * 5);
        }

        #[test]
        fn rl_1_a_clock_that_steps_back_gives_nothing_more(
            steps in prop::collection::vec((-90_000_i64..90_000, 0_u32..20), 1..200),
        ) {
            // Judged by a clock that stands still instead.
            let (mut window, mut clock, mut furthest, mut given) = (Window::default(), 0_i64, i64::MIN, Vec::new());
            for (step, wanted) in steps {
                clock += step;
                let granted = window.take(at(clock), 10, wanted);
                furthest = if granted > 0 { furthest.max(clock) } else { furthest };
                given.extend((0..granted).map(|_| at(furthest)));
            }
            prop_assert!(most(&given) <= 10);
        }

        #[test]
        fn rl_3_after_the_answered_time_there_is_a_permit_and_not_before(asks in arrivals(1_u32..60)) {
            let mut window = Window::default();
            let mut clock = 0;
            for (later, wanted, limit) in asks {
                clock += later;
                let granted = window.take(at(clock), limit, wanted);
                let Some(closed) = window.answer(at(clock), limit, wanted, granted).closed else {
                    prop_assert_eq!(granted, wanted);
                    continue;
                };
                let wait = TimeDelta::from_std(closed.opens_after).expect("short");
                prop_assert_eq!(closed.reason, WaitReason::RateLimit);
                prop_assert_eq!(window.clone().take(at(clock) + wait - TimeDelta::milliseconds(1), limit, 1), 0);
                prop_assert!(window.clone().take(at(clock) + wait, limit, 1) == 1);
            }
        }
    }

    #[test]
    fn rl_1_after_a_quiet_minute_all_may_start_at_once() {
        let mut window = Window::default();
        assert_eq!(window.take(at(999), 60, 100), 60);
        assert_eq!(window.take(at(1_000), 60, 100), 0);
        assert_eq!(window.take(at(61_998), 60, 100), 0);
        assert_eq!(window.take(at(61_999), 60, 100), 60);
    }

    #[test]
    fn the_window_stays_small_however_much_is_permitted() {
        let mut window = Window::default();
        for step in 0..100_000 {
            window.take(at(step * 3), 100_000, 7);
        }
        assert!(window.buckets.len() <= 62, "{}", window.buckets.len());
    }

    #[test]
    fn rt_7_a_pause_lets_nothing_go_and_says_how_long_it_is() {
        let mut window = Window { paused_until: Some(at(2_000)), ..Window::default() };
        for limit in [0, 60] {
            assert_eq!(window.take(at(1_999), limit, 3), 0);
            let closed = Closed { reason: WaitReason::Paused, opens_after: Duration::from_millis(1) };
            assert_eq!(window.answer(at(1_999), limit, 3, 0), Permits { granted: 0, closed: Some(closed) });
            assert_eq!(window.take(at(2_000), limit, 3), 3);
        }
    }

    #[test]
    fn a_pause_within_a_full_minute_is_answered_with_whatever_lasts_longer() {
        let mut window = Window::default();
        assert_eq!(window.take(at(0), 1, 1), 1);
        window.paused_until = Some(at(10_000));
        let closed = window.answer(at(5_000), 1, 1, 0).closed.expect("closed");
        assert_eq!((closed.reason, closed.opens_after), (WaitReason::RateLimit, Duration::from_secs(56)));
        window.paused_until = Some(at(100_000));
        let closed = window.answer(at(5_000), 1, 1, 0).closed.expect("closed");
        assert_eq!((closed.reason, closed.opens_after), (WaitReason::Paused, Duration::from_secs(95)));
    }

    #[rstest]
    #[case(Some(429), Some(7), Some(7))]
    #[case(Some(503), Some(7), Some(7))]
    #[case(Some(429), Some(3_600), Some(900))]
    #[case(Some(429), Some(0), None)]
    #[case(Some(429), None, None)]
    #[case(Some(500), Some(7), None)]
    #[case(Some(200), Some(7), None)]
    #[case(None, Some(7), None)]
    fn rt_7_a_throttled_answer_that_says_how_long_pauses_the_connector(
        #[case] status: Option<u16>,
        #[case] asked: Option<u64>,
        #[case] pause: Option<u64>,
    ) {
        assert_eq!(pause_after(status, asked.map(Duration::from_secs)), pause.map(Duration::from_secs));
    }
}
