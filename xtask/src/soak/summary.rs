//! [`Summary`]: what is told of all runs together.

use std::time::Duration;

use serde_json::{Value, json as object};

use crate::soak::lives::Lives;

/// All runs together.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(super) seed: u64,
    /// Processes killed at work.
    pub(super) kills: u32,
    /// Runs completed.
    pub(super) runs: u32,
    /// Processes started.
    pub(super) lives: u32,
    /// The most processes of one run.
    pub(super) most_lives: u32,
    /// How long an undisturbed run takes.
    pub(super) undisturbed: Duration,
    /// How long all killed runs took.
    pub(super) took: Duration,
    /// Lines in the record of the undisturbed run.
    pub(super) entries: u64,
    /// The most lines in the record of a killed one.
    pub(super) most_entries: u64,
}

impl Summary {
    /// Adds a run.
    pub(super) fn add(&mut self, lives: &Lives<'_>, took: Duration, entries: u64) {
        self.runs += 1;
        self.kills += lives.kills;
        self.lives += lives.lives;
        self.most_lives = self.most_lives.max(lives.lives);
        self.took += took;
        self.most_entries = self.most_entries.max(entries);
    }

    /// How much longer a run took than an undisturbed one.
    fn longer(&self) -> f64 {
        self.took.as_secs_f64() / (self.undisturbed.as_secs_f64() * f64::from(self.runs.max(1)))
    }
}

/// The summary as a table.
pub(crate) fn table(summary: &Summary) -> String {
    let Summary { kills, runs, lives, most_lives, entries, most_entries, .. } = summary;
    let per_run = f64::from(*lives) / f64::from((*runs).max(1));
    let rows = [
        ("kills of a process at work", kills.to_string()),
        ("runs, all of them as undisturbed", runs.to_string()),
        ("lives of a run", format!("{per_run:.1}, at most {most_lives}")),
        ("entries of the record", format!("{entries} undisturbed, {most_entries} at most")),
        ("time of an undisturbed run", format!("{:.2} s", summary.undisturbed.as_secs_f64())),
        ("time of a killed run, all its lives", format!("{:.1} times that", summary.longer())),
        ("seed", summary.seed.to_string()),
    ];
    rows.iter().map(|(name, value)| format!("{name:36}  {value}\n")).collect()
}

/// The summary as JSON.
pub(crate) fn json(summary: &Summary) -> Value {
    object!({
        "seed": summary.seed,
        "kills": summary.kills,
        "runs": summary.runs,
        "lives": summary.lives,
        "most_lives": summary.most_lives,
        "entries": { "undisturbed": summary.entries, "most": summary.most_entries },
        "seconds": { "undisturbed": summary.undisturbed.as_secs_f64(), "all": summary.took.as_secs_f64() },
    })
}
