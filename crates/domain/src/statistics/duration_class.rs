//! Durations in classes whose width grows with them, so that few classes hold every duration and none is far off.

/// Shorter durations, in milliseconds, have a class each. Beyond, every power of two is parted into half as many classes.
pub const EXACT_BELOW: u64 = 32;

/// Durations of this many milliseconds (139 years) and more are one class.
pub const LARGEST: u64 = 1 << 42;

/// Durations that are counted as one. Of the same order as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationClass {
    /// The shortest of them, in milliseconds.
    least: u64,
}

impl DurationClass {
    /// The class of a duration.
    #[must_use]
    pub const fn of(milliseconds: u64) -> Self {
        let within = if milliseconds < LARGEST { milliseconds } else { LARGEST };
        Self { least: within - within % width(within) }
    }

    /// The shortest duration of the class, in milliseconds.
    #[must_use]
    pub const fn least(self) -> u64 {
        self.least
    }

    /// What stands for all durations of the class: no further than 5 % from any of them, below [`LARGEST`].
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.least + (width(self.least) - 1) / 2
    }
}

/// How many durations are in the class of this one: 1, 2, 4, …
const fn width(milliseconds: u64) -> u64 {
    let mut width = 1;
    while milliseconds >= EXACT_BELOW * width && milliseconds < LARGEST {
        width *= 2;
    }
    width
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0, 0)]
    #[case(31, 31, 31)]
    #[case(32, 32, 32)]
    #[case(33, 32, 32)]
    #[case(63, 62, 62)]
    #[case(64, 64, 65)]
    #[case(127, 124, 125)]
    #[case(1_000, 992, 1_007)]
    #[case(300_000, 294_912, 303_103)]
    #[case(u64::MAX, LARGEST, LARGEST)]
    fn classes_grow_with_the_durations(#[case] duration: u64, #[case] least: u64, #[case] stands_for: u64) {
        let class = DurationClass::of(duration);
        assert_eq!((class.least(), class.milliseconds()), (least, stands_for));
    }

    proptest! {
        #[test]
        fn no_duration_is_further_than_five_percent_from_what_stands_for_it(
            duration in (0_u32..42).prop_flat_map(|bits| 0..1_u64 << bits)
        ) {
            let class = DurationClass::of(duration);
            prop_assert!(class.milliseconds().abs_diff(duration) * 20 <= duration);
            prop_assert_eq!(DurationClass::of(class.least()), class);
            prop_assert_eq!(DurationClass::of(class.milliseconds()), class);
            prop_assert!(DurationClass::of(duration + 1) >= class);
        }
    }
}
