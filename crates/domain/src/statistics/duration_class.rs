//! Durations in classes whose width grows with them, so that few classes hold every duration and none is far off.

/// How many classes there are.
const CLASSES: usize = 224;

/// The shortest duration of each class, in milliseconds, in order. Up to 20 ms every duration has a class of its own;
/// beyond, a class is a tenth as wide as its shortest duration is long. The last one has all from 46 days on.
pub static CLASS_BORDERS: [u64; CLASSES] = borders();

/// Durations that are counted as one. Of the same order as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationClass {
    /// The shortest of them, in milliseconds.
    least: u64,
}

impl DurationClass {
    /// The class of a duration.
    #[must_use]
    pub fn of(milliseconds: u64) -> Self {
        let above = CLASS_BORDERS.partition_point(|border| *border <= milliseconds);
        Self { least: CLASS_BORDERS[above.saturating_sub(1)] }
    }

    /// The shortest duration of the class, in milliseconds.
    #[must_use]
    pub const fn least(self) -> u64 {
        self.least
    }

    /// What stands for all durations of the class: no further than 5 % from any of them, but in the last class.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.least + (width(self.least) - 1) / 2
    }
}

/// How many durations are in the class that begins with this one.
const fn width(least: u64) -> u64 {
    if least < 20 { 1 } else { least / 10 }
}

const fn borders() -> [u64; CLASSES] {
    let mut borders = [0; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        borders[class] = borders[class - 1] + width(borders[class - 1]);
        class += 1;
    }
    borders
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0, 0)]
    #[case(20, 20, 20)]
    #[case(21, 20, 20)]
    #[case(22, 22, 22)]
    #[case(1_000, 972, 1_020)]
    fn classes_grow_with_the_durations(#[case] duration: u64, #[case] least: u64, #[case] stands_for: u64) {
        let class = DurationClass::of(duration);
        assert_eq!((class.least(), class.milliseconds()), (least, stands_for));
    }

    #[test]
    fn the_last_class_is_beyond_every_call() {
        let last = DurationClass::of(u64::MAX);
        assert_eq!(last.least(), CLASS_BORDERS[CLASSES - 1]);
        assert!(last.least() > 46 * 24 * 3_600 * 1_000, "{}", last.least());
    }

    proptest! {
        #[test]
        fn no_duration_is_further_than_five_percent_from_what_stands_for_it(
            duration in (0_u32..30).prop_flat_map(|bits| 0..1_u64 << bits)
        ) {
            let class = DurationClass::of(duration);
            prop_assert!(class.milliseconds().abs_diff(duration) * 20 <= duration);
            prop_assert_eq!(DurationClass::of(class.least()), class);
            prop_assert_eq!(DurationClass::of(class.milliseconds()), class);
            prop_assert!(DurationClass::of(duration + 1) >= class);
        }
    }
}
