//! Chance, all of it from one seed.

use longhaul_core::digest::Digest;
use std::time::Duration;

/// A row of numbers that the seed determines (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The row of a seed and a name: rows of different names have nothing to do with each other.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self(Digest::of(format!("{seed}/{name}").as_bytes()).prefix())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Whether something happens that happens `times` in a million.
    pub(crate) fn hits(&mut self, times: u32) -> bool {
        self.below(1_000_000) < u64::from(times)
    }

    /// A span of time from `least` to `most`, in whole milliseconds.
    pub(crate) fn span(&mut self, least: Duration, most: Duration) -> Duration {
        let width = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.below(width.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_give_one_row_and_others_give_others() {
        let row = |seed, name| {
            let mut dice = Dice::new(seed, name);
            [dice.next(), dice.next(), dice.next()]
        };
        assert_eq!(row(1, "a"), row(1, "a"));
        assert_ne!(row(1, "a"), row(2, "a"));
        assert_ne!(row(1, "a"), row(1, "b"));
    }

    #[test]
    fn what_happens_once_in_ten_happens_about_once_in_ten() {
        let mut dice = Dice::new(7, "hits");
        let hits = (0..10_000).filter(|_| dice.hits(100_000)).count();
        assert!((900..1_100).contains(&hits), "{hits}");
    }
}
