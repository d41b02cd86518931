//! `Retry-After` (RFC 9110 §10.2.3): delay-seconds or any of the three HTTP dates (RT-7).

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// A longer wait is read as this one, which is beyond every deadline and still a time that a store can hold.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// How long the upstream asks to wait, counted from `now`; 366 days stand for more. Past and negative is no wait; what
/// cannot be read is `None`.
pub(super) fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if let Some(digits) = digits_of(value) {
        // More digits than fit are too long a wait in any case.
        Duration::from_secs(digits.parse().unwrap_or(u64::MAX))
    } else if value.strip_prefix('-').and_then(digits_of).is_some() {
        Duration::ZERO
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        until.duration_since(SystemTime::from(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST))
}

fn digits_of(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Asked at Sun, 06 Nov 1994 08:49:37 GMT, the moment of RFC 9110's own examples.
    #[rstest]
    #[case("0", Some(0))]
    #[case("120", Some(120))]
    #[case(" 120 ", Some(120))]
    #[case("007", Some(7))]
    #[case("-5", Some(0))]
    #[case("31622400", Some(31_622_400))]
    #[case("31622401", Some(31_622_400))]
    #[case("99999999999999999999999999", Some(31_622_400))]
    #[case("Sun, 06 Nov 1994 08:50:07 GMT", Some(30))]
    #[case("Sunday, 06-Nov-94 08:50:07 GMT", Some(30))]
    #[case("Sun Nov  6 08:50:07 1994", Some(30))]
    #[case("Sun, 06 Nov 1994 08:49:00 GMT", Some(0))]
    #[case("Fri, 31 Dec 9999 23:59:59 GMT", Some(31_622_400))]
    #[case("", None)]
    #[case("soon", None)]
    #[case("1.5", None)]
    #[case("12 s", None)]
    #[case("+12", None)]
    #[case("0x10", None)]
    #[case("--5", None)]
    #[case("1994-11-06T08:50:07Z", None)]
    #[case("Sun, 06 Nov 1994 25:61:61 GMT", None)]
    fn rt_7_reads_what_the_rfc_allows_and_ignores_the_rest(#[case] value: &str, #[case] seconds: Option<u64>) {
        let now = DateTime::from_timestamp(784_111_777, 0).expect("a time");
        assert_eq!(parse(value, now), seconds.map(Duration::from_secs), "{value:?}");
    }

    proptest! {
        #[test]
        fn rt_7_any_text_is_no_wait_or_a_bounded_one(text in prop_oneof![any::<String>(), "-?[0-9]{0,30}", "[A-Za-z0-9 ,:-]{0,40}"]) {
            let now = DateTime::from_timestamp(784_111_777, 0).expect("a time");
            prop_assert!(parse(&text, now).is_none_or(|wait| wait <= LONGEST));
        }

        #[test]
        fn rt_7_seconds_and_dates_say_the_same(seconds in 0_u64..40_000_000, start in 0_i64..4_000_000_000) {
            let now = DateTime::from_timestamp(start, 0).expect("a time");
            let date = httpdate::fmt_http_date(SystemTime::from(now) + Duration::from_secs(seconds));
            let expected = Some(Duration::from_secs(seconds).min(LONGEST));
            prop_assert_eq!(parse(&seconds.to_string(), now), expected);
            prop_assert_eq!(parse(&date, now), expected);
        }
    }
}
