//! The time that statistics look back on, and its buckets.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The lengths of buckets, in seconds: the shortest one is taken that needs no more than [`MOST_BUCKETS`].
const BUCKETS: [u64; 6] = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY];

/// Beside the two that the window cuts.
const MOST_BUCKETS: u64 = 31;

/// How far back: whole minutes, 1 minute to 31 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    seconds: u64,
}

impl Default for Window {
    /// A day.
    fn default() -> Self {
        Self { seconds: DAY }
    }
}

impl Window {
    /// Reads a whole number and its unit: `15m`, `1h`, `24h`, `7d`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unit = match text.chars().next_back()? {
            'm' => MINUTE,
            'h' => HOUR,
            'd' => DAY,
            _ => return None,
        };
        let number = &text[..text.len() - 1];
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
        (MINUTE..=31 * DAY).contains(&seconds).then_some(Self { seconds })
    }

    /// Its length.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The window that ends at `now`, in buckets.
    #[must_use]
    pub fn until(self, now: DateTime<Utc>) -> Timeline {
        let bucket = BUCKETS.into_iter().find(|bucket| self.seconds <= bucket * MOST_BUCKETS).unwrap_or(DAY);
        let length = |seconds: u64| TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
        let (from, step) = (now - length(self.seconds), length(bucket));
        let past = from.timestamp().rem_euclid(step.num_seconds());
        let whole = DateTime::from_timestamp(from.timestamp() - past, 0).unwrap_or(from);
        let mut borders = vec![from];
        borders.extend((1..).map(|number| whole + step * number).take_while(|border| *border < now));
        borders.push(now);
        Timeline { bucket: Duration::from_secs(bucket), borders }
    }
}

/// A window of time, parted at whole multiples of a bucket's length in UTC, so that a bucket is the same one from look to
/// look; the window cuts the first and the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    bucket: Duration,
    borders: Vec<DateTime<Utc>>,
}

impl Timeline {
    /// How long a whole bucket is.
    #[must_use]
    pub const fn bucket(&self) -> Duration {
        self.bucket
    }

    /// The beginning, which is within.
    #[must_use]
    pub fn from(&self) -> DateTime<Utc> {
        self.borders[0]
    }

    /// The end, which is without.
    #[must_use]
    pub fn to(&self) -> DateTime<Utc> {
        self.borders[self.borders.len() - 1]
    }

    /// The moments at which one bucket ends and the next one begins, in order.
    #[must_use]
    pub fn borders(&self) -> &[DateTime<Utc>] {
        &self.borders[1..self.borders.len() - 1]
    }

    /// Where each bucket begins and ends.
    pub fn buckets(&self) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        self.borders.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1m", Some(60))]
    #[case("15m", Some(900))]
    #[case("90m", Some(5_400))]
    #[case("1h", Some(3_600))]
    #[case("24h", Some(86_400))]
    #[case("7d", Some(604_800))]
    #[case("31d", Some(2_678_400))]
    #[case("32d", None)]
    #[case("0h", None)]
    #[case("30s", None)]
    #[case("-1h", None)]
    #[case("+1h", None)]
    #[case("1.5h", None)]
    #[case("h", None)]
    #[case("24", None)]
    #[case("24H", None)]
    #[case(" 1h", None)]
    #[case("", None)]
    #[case("1\u{fc}", None)]
    #[case("99999999999999999999d", None)]
    #[case("999999999999999999d", None)]
    fn a_window_is_a_number_and_a_unit(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(Window::parse(text).map(|window| window.length().as_secs()), seconds);
    }

    #[rstest]
    #[case("1m", 60)]
    #[case("15m", 60)]
    #[case("1h", 300)]
    #[case("6h", 900)]
    #[case("24h", 3_600)]
    #[case("7d", 21_600)]
    #[case("31d", 86_400)]
    fn buckets_are_whole_but_for_the_ends_and_few(#[case] window: &str, #[case] bucket: i64) {
        let now = DateTime::from_timestamp_micros(1_769_831_100_000_001).expect("a moment");
        let window = Window::parse(window).expect("a window");
        let timeline = window.until(now);
        let whole = TimeDelta::seconds(bucket);
        assert_eq!(TimeDelta::from_std(timeline.bucket()), Ok(whole));
        assert_eq!((timeline.to(), (timeline.to() - timeline.from()).to_std()), (now, Ok(window.length())));
        let buckets: Vec<_> = timeline.buckets().collect();
        assert!(buckets.len() <= 33, "{}", buckets.len());
        assert_eq!(buckets.len(), timeline.borders().len() + 1);
        for border in timeline.borders() {
            assert_eq!((border.timestamp() % bucket, border.timestamp_subsec_micros()), (0, 0));
        }
        for (begins, ends) in &buckets {
            assert!(begins < ends && *ends - *begins <= whole);
        }
        assert!(buckets.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn a_window_that_ends_with_a_bucket_has_no_empty_one() {
        let now = DateTime::from_timestamp(1_769_832_000, 0).expect("a whole hour");
        let timeline = Window::default().until(now);
        assert_eq!(timeline.buckets().count(), 24);
    }
}
