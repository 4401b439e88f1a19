//! What goes wrong, and how often.

use crate::dice::Dice;
use longhaul_core::id::AttemptId;
use std::time::Duration;

/// How often what goes wrong: rates are times in a million, spans are means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Attempts whose agent fails or hangs.
    pub attempts: u32,
    /// Calls of the workspace that fail.
    pub workspace: u32,
    /// Commits that are told to be in conflict.
    pub conflicts: u32,
    /// Entries and flushes of the record that find the disk full.
    pub full_disks: u32,
    /// Calls of the record and the workspace in which the process dies.
    pub crashes: u32,
    /// How long a process lives until it is killed from outside.
    pub kills: Option<Duration>,
    /// How long a process works until somebody pauses the run.
    pub pauses: Option<Duration>,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { attempts: 0, workspace: 0, conflicts: 0, full_disks: 0, crashes: 0, kills: None, pauses: None };

    /// A machine and services as one has them: each fiftieth attempt goes wrong, and the process dies about once in a run.
    pub const USUAL: Self = Self {
        attempts: 20_000,
        workspace: 200,
        conflicts: 2_000,
        full_disks: 10,
        crashes: 20,
        kills: Some(Duration::from_secs(8 * 60 * 60)),
        pauses: None,
    };

    /// Far more than any machine would be kept for: of the attempts each twelfth goes wrong, and a process lives for half an
    /// hour or so.
    pub const HIGH: Self = Self {
        attempts: 80_000,
        workspace: 5_000,
        conflicts: 20_000,
        full_disks: 300,
        crashes: 500,
        kills: Some(Duration::from_secs(60 * 60)),
        pauses: Some(Duration::from_secs(5 * 60 * 60)),
    };

    /// The same, so many times as often.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        let often = |rate: u32| rate.saturating_mul(times);
        let soon = |mean: Option<Duration>| mean.map(|mean| mean / times.max(1));
        Self {
            attempts: often(self.attempts),
            workspace: often(self.workspace),
            conflicts: often(self.conflicts),
            full_disks: often(self.full_disks),
            crashes: often(self.crashes),
            kills: soon(self.kills),
            pauses: soon(self.pauses),
        }
    }
}

/// What goes wrong in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It hangs until its time is up.
    Hang,
    /// It hangs, and so does what should end it.
    DeafHang,
    /// A service asks to slow down, for this long.
    RateLimit(Duration),
    /// Something outside fails.
    Transient,
    /// The component traps.
    Trap,
    /// The work is not good enough.
    Invalid,
}

/// A fault with the step of the attempt at which it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) step: u32,
}

impl Planned {
    /// What goes wrong in `attempt`. A function of its name: an attempt that is done again fails again in the same way, as a
    /// deterministic machine does.
    pub(crate) fn of(seed: u64, attempt: &AttemptId, rates: &Rates) -> Option<Self> {
        let mut dice = Dice::new(seed, &attempt.to_string());
        if !dice.hits(rates.attempts) {
            return None;
        }
        let fault = match dice.below(100) {
            0..8 => Fault::Hang,
            8..10 => Fault::DeafHang,
            10..35 => Fault::RateLimit(dice.span(Duration::from_secs(20), Duration::from_secs(600))),
            35..65 => Fault::Transient,
            65..85 => Fault::Trap,
            _ => Fault::Invalid,
        };
        Some(Self { fault, step: u32::try_from(dice.below(12)).unwrap_or(0) })
    }
}
