//! [`Pace`]: how long lives are, so that all kills fall into one run and are spread over the whole of it.

use std::time::Duration;

/// The shortest longest life.
const LEAST: Duration = Duration::from_millis(2);

/// Lengthens lives while the work of a run is behind its kills, and shortens them while it is ahead.
#[derive(Debug)]
pub(super) struct Pace {
    kills: u64,
    actions: u64,
    longest: Duration,
}

impl Pace {
    /// For a run of so many actions that takes so long undisturbed and is to be killed so often.
    pub(super) fn new(kills: u32, actions: u64, undisturbed: Duration) -> Self {
        Self { kills: kills.into(), actions, longest: (undisturbed / kills.max(1)).max(LEAST) }
    }

    /// What the next life is at the longest, after so many kills and with so many actions in the record.
    pub(super) fn longest(&mut self, kills: u32, actions: u64) -> Duration {
        let ahead = actions.saturating_mul(self.kills) > u64::from(kills).saturating_mul(self.actions);
        self.longest = if ahead { (self.longest * 2 / 3).max(LEAST) } else { self.longest * 8 / 7 };
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_gets_nowhere_is_given_more_time_and_one_that_is_ahead_less() {
        let mut pace = Pace::new(200, 8_000, Duration::from_secs(4));
        let first = pace.longest(0, 0);
        let later = (1..20).map(|kills| pace.longest(kills, 0)).last().unwrap();
        assert!(later > first * 4, "{first:?} {later:?}");
        let ahead = (20..40).map(|kills| pace.longest(kills, 7_000)).last().unwrap();
        assert_eq!(ahead, LEAST);
    }

    #[test]
    fn kills_are_spread_over_the_whole_run() {
        // A life is half of the longest on average, and works through 1 500 actions a second.
        let mut pace = Pace::new(200, 8_000, Duration::from_secs(4));
        let (mut kills, mut actions) = (0, 0);
        while actions < 8_000 && kills < 200 {
            actions += u64::try_from((pace.longest(kills, actions) / 2).as_millis()).unwrap() * 3 / 2;
            kills += 1;
        }
        assert!(kills >= 180, "{kills} kills, {actions} actions");
        assert!(actions >= 7_000, "{kills} kills, {actions} actions");
    }
}
