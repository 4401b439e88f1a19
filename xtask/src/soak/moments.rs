//! [`Moments`]: random spans of time out of a seed.

use std::time::Duration;

/// A sequence of random moments, the same for the same seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Moments(u64);

impl Moments {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one, between now and `longest`, to the microsecond.
    pub(super) fn next(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(bits % longest.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_moments_again_and_they_are_spread() {
        let longest = Duration::from_secs(1);
        let take = |seed| {
            let mut moments = Moments::new(seed);
            (0..1_000).map(|_| moments.next(longest)).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
        assert!(take(7).iter().all(|moment| *moment <= longest));
        let early = take(7).iter().filter(|moment| **moment < longest / 2).count();
        assert!((400..600).contains(&early), "{early}");
    }
}
