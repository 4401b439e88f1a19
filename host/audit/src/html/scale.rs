//! [`Scale`]: where a time stands on a line of a certain width. Long rests of the run take little of it, however many days they lasted.

use longhaul_core::units::Timestamp;
use std::time::Duration;

/// What a rest takes that is not drawn to scale.
const REST: f64 = 26.0;
/// The most marks on the line.
const MARKS: u128 = 8;
/// The least distance between two of them.
const APART: f64 = 76.0;

/// A piece of the line.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: u64,
    to: u64,
    x: f64,
    width: f64,
    rests: bool,
}

/// A line of time.
#[derive(Debug)]
pub(super) struct Scale {
    pieces: Vec<Piece>,
    end: f64,
}

impl Scale {
    /// From one time to another, drawn from `left` to `right`, with these rests in order.
    pub(super) fn new(from: Timestamp, to: Timestamp, rests: &[(Timestamp, Timestamp)], left: f64, right: f64) -> Self {
        let (from, to) = (from.0, to.0.max(from.0.saturating_add(1)));
        let whole = to - from;
        let worth = |(start, end): &&(Timestamp, Timestamp)| {
            end.0.saturating_sub(start.0) > whole / 20 && start.0 >= from && end.0 <= to
        };
        let mut longest: Vec<_> = rests.iter().filter(worth).collect();
        // Those that overlap with one before them, as where a clock was set back, are left to scale.
        let mut reached = from;
        longest.retain(|(start, end)| {
            let is_behind = start.0 >= reached;
            if is_behind {
                reached = end.0;
            }
            is_behind
        });
        let resting: u64 = longest.iter().map(|(start, end)| end.0 - start.0).sum();
        let working = (whole - resting).max(1) as f64;
        let room = (right - left - REST * longest.len() as f64).max(1.0);
        let (mut pieces, mut x, mut at) = (Vec::new(), left, from);
        let mut add = |at: u64, to: u64, width: f64, rests: bool| {
            pieces.push(Piece { from: at, to, x, width, rests });
            x += width;
        };
        for (start, end) in longest {
            add(at, start.0, (start.0 - at) as f64 / working * room, false);
            add(start.0, end.0, REST, true);
            at = end.0;
        }
        add(at, to, (to - at) as f64 / working * room, false);
        Self { pieces, end: right }
    }

    /// Where a time stands.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let piece = self.pieces.iter().find(|piece| at.0 <= piece.to);
        let Some(piece) = piece else { return self.end };
        let part = at.0.saturating_sub(piece.from) as f64 / (piece.to - piece.from).max(1) as f64;
        piece.x + part * piece.width
    }

    /// Rests that are not drawn to scale: where each begins, how wide it is, and how long it was.
    pub(super) fn rests(&self) -> impl Iterator<Item = (f64, f64, Duration)> {
        let rests = self.pieces.iter().filter(|piece| piece.rests);
        rests.map(|piece| (piece.x, piece.width, Duration::from_millis(piece.to - piece.from)))
    }

    /// Marks: where each stands, and how long after the beginning.
    pub(super) fn marks(&self) -> Vec<(f64, Duration)> {
        const STEPS: [u64; 19] = [
            1,
            5,
            20,
            100,
            500,
            1_000,
            5_000,
            10_000,
            30_000,
            60_000,
            300_000,
            600_000,
            1_800_000,
            3_600_000,
            7_200_000,
            21_600_000,
            43_200_000,
            86_400_000,
            604_800_000,
        ];
        let begin = self.pieces.first().map_or(0, |piece| piece.from);
        let working: u64 = self.pieces.iter().filter(|piece| !piece.rests).map(|piece| piece.to - piece.from).sum();
        let fits = |step: &&u64| u128::from(working) / u128::from(**step) <= MARKS;
        let step = STEPS.iter().find(fits).copied().unwrap_or((working / 8).max(1));
        let mut marks: Vec<(f64, Duration)> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.rests) {
            let mut after = (piece.from - begin).div_ceil(step).saturating_mul(step);
            while let Some(at) = begin.checked_add(after).filter(|at| *at <= piece.to) {
                let x = self.x(Timestamp(at));
                if marks.last().is_none_or(|(last, _)| x - last >= APART) {
                    marks.push((x, Duration::from_millis(after)));
                }
                after = after.saturating_add(step);
                if after == u64::MAX {
                    break;
                }
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_their_order_and_within_the_line() {
        let hour = 3_600_000;
        let rests = [(Timestamp(hour), Timestamp(100 * hour)), (Timestamp(101 * hour), Timestamp(101 * hour + 1))];
        let scale = Scale::new(Timestamp(0), Timestamp(102 * hour), &rests, 100.0, 900.0);
        let places: Vec<_> = [0, 1, 50, 100, 101, 102, 500].map(|at| scale.x(Timestamp(at * hour))).to_vec();
        assert!(places.is_sorted() && places[0] == 100.0 && places[6] == 900.0, "{places:?}");
        // Three hours of work share the line, and four days of rest do not.
        assert!((places[1] - places[0] - (900.0 - 100.0 - REST) / 3.0).abs() < 0.01, "{places:?}");
        assert_eq!(scale.rests().count(), 1);
        let marks = scale.marks();
        assert!((2..=10).contains(&marks.len()), "{marks:?}");
        assert!(marks.windows(2).all(|two| two[1].0 - two[0].0 >= APART), "{marks:?}");
    }

    #[test]
    fn odd_clocks_make_no_trouble() {
        for (from, to) in [(5, 5), (5, 0), (0, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            let rests =
                [(Timestamp(3), Timestamp(2)), (Timestamp(0), Timestamp(u64::MAX)), (Timestamp(1), Timestamp(9))];
            let scale = Scale::new(Timestamp(from), Timestamp(to), &rests, 0.0, 100.0);
            assert!(scale.x(Timestamp(7)).is_finite() && scale.marks().len() <= 12);
        }
    }
}
