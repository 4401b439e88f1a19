//! [`TaskCounts`]: how many tasks of a run are in which state.

use crate::state::TaskState;
use serde::{Deserialize, Serialize};

/// How many tasks are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskCounts {
    /// Not started, or waiting for a try.
    pub pending: u64,
    /// Interrupted in an attempt.
    pub running: u64,
    /// Suspended.
    pub waiting: u64,
    /// Interrupted between a failure and its recovery.
    pub failing: u64,
    /// Done.
    pub completed: u64,
    /// Left out.
    pub skipped: u64,
    /// Given up.
    pub failed: u64,
    /// Handed to a person.
    pub escalated: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl TaskCounts {
    /// Counts one more task in `state`.
    pub fn add(&mut self, state: TaskState) {
        *self.slot(state) += 1;
    }

    /// Counts a task that went from one state to another. One that was not counted in `from` is no error.
    pub fn change(&mut self, from: TaskState, to: TaskState) {
        let before = self.slot(from);
        *before = before.saturating_sub(1);
        self.add(to);
    }

    /// Tasks in `state`.
    pub fn of(&self, state: TaskState) -> u64 {
        let mut counts = *self;
        *counts.slot(state)
    }

    /// Tasks in any state.
    pub fn total(&self) -> u64 {
        let Self { pending, running, waiting, failing, completed, skipped, failed, escalated, cancelled } = self;
        pending + running + waiting + failing + completed + skipped + failed + escalated + cancelled
    }

    fn slot(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Waiting => &mut self.waiting,
            TaskState::Failing => &mut self.failing,
            TaskState::Completed => &mut self.completed,
            TaskState::Skipped => &mut self.skipped,
            TaskState::Failed => &mut self.failed,
            TaskState::Escalated => &mut self.escalated,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}
