//! Variety for the demo's data without chance: the same seed gives the same numbers on every machine and run.

/// A linear congruential generator [Knuth, MMIX].
pub(super) struct Noise(u64);

impl Noise {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `limit` − 1.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let upper = u32::try_from(self.0 >> 33).unwrap_or_default();
        upper % limit
    }

    /// A number from `least` to `most`, both included.
    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most - least + 1)
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let limit = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        &choices[usize::try_from(self.below(limit)).unwrap_or_default()]
    }
}
