//! A run in a few numbers, kept beside its journal so that listing runs reads no entries.
//!
//! [`Summary::apply`] is the only place that knows how an entry counts; the journal alone rebuilds a summary by
//! applying it to every entry.

use longhaul_core::counts::TaskCounts;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use serde::{Deserialize, Serialize};

/// A run in a few numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Entries in the journal.
    pub entries: u64,
    /// Where the run stands; none before its first entry.
    pub state: Option<RunState>,
    /// When it began.
    pub started: Timestamp,
    /// When it reached a final state; none while it is under way.
    pub ended: Option<Timestamp>,
    /// When its newest entry was made.
    pub last: Timestamp,
    /// The workspace version that it has reached.
    pub version: Option<Digest>,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// Attempts begun.
    pub attempts: u64,
    /// Actions recorded; consecutive reads or writes on one handle are one.
    pub actions: u64,
    /// Actions that were refused.
    pub denials: u64,
    /// Failed attempts.
    pub incidents: u64,
    /// Questions to people.
    pub asked: u64,
    /// Those of them that were answered; one that nobody waits for any more never is.
    pub answered: u64,
    /// Computing of all ended attempts.
    pub fuel: Fuel,
    /// Tokens of language models, of all ended attempts.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
    /// The most linear memory of any ended attempt.
    pub memory: Bytes,
    /// Changes of paths in all commits.
    pub changes: u64,
    /// Files written or removed in the user's folder; none where nothing was applied yet.
    pub applied: Option<u64>,
}

impl Summary {
    /// Counts an entry.
    pub fn apply(&mut self, record: &Record) {
        self.entries += 1;
        self.last = self.last.max(record.at);
        match &record.entry {
            Entry::RunStarted { base, .. } => {
                self.state = Some(RunState::Running);
                self.started = record.at;
                self.version = Some(*base);
            }
            Entry::TaskPlanned { .. } => self.tasks.add(TaskState::Pending),
            Entry::TaskChanged { from, to } => self.tasks.change(*from, *to),
            Entry::AttemptStarted { .. } => self.attempts += 1,
            Entry::Action(action) => {
                self.actions += 1;
                self.denials += u64::from(action.is_denied());
            }
            Entry::AttemptEnded { usage, .. } => {
                self.fuel += usage.fuel;
                self.tokens += usage.tokens;
                self.money += usage.money;
                self.memory = self.memory.max(usage.memory);
            }
            Entry::Committed { version, changes, .. } => {
                self.version = Some(*version);
                self.changes += changes.len() as u64;
            }
            Entry::RolledBack { version, counts, .. } => {
                self.version = Some(*version);
                self.tasks = *counts;
            }
            Entry::IncidentRaised { .. } => self.incidents += 1,
            Entry::RunResumed { .. } => self.ended = None,
            Entry::RunChanged { to, .. } => {
                self.state = Some(*to);
                self.ended = to.is_final().then_some(record.at);
            }
            Entry::Published(outbox) => self.asked += u64::from(outbox.asked.is_some()),
            Entry::Answered { .. } => self.answered += 1,
            Entry::Applied { files, .. } => self.applied = Some(self.applied.unwrap_or(0) + files),
            Entry::Forked { .. }
            | Entry::Idled { .. }
            | Entry::Checkpointed { .. }
            | Entry::CheckpointsDropped { .. }
            | Entry::HookCalled { .. }
            | Entry::AttemptSuspended { .. }
            | Entry::Reused { .. }
            | Entry::PluginUsed { .. }
            | Entry::Captured(_)
            | Entry::Intended(_)
            | Entry::Kept { .. }
            | Entry::Log { .. }
            | Entry::Progress { .. }
            | Entry::Decided { .. } => {}
        }
    }

    /// Counts an entry of a kind that this version does not know.
    pub fn apply_unknown(&mut self) {
        self.entries += 1;
    }
}
