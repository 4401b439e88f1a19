//! [`IdempotencyKey`]: how the service of an effect recognises that it is asked for the same one again.

use crate::digest::Digest;
use crate::entry::Position;
use crate::id::{AttemptId, Name, RunId, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names one effect for ever, in 64 hexadecimal digits. It tells nothing of run or task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(Digest);

/// Which repetitions of an effect have the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyScope {
    /// Those of one action: replays of the same attempt. Another attempt does something else.
    #[default]
    Action,
    /// Those of a task under this label, whichever attempt does it.
    Task(String),
}

impl IdempotencyKey {
    /// The key of an attempt's action.
    pub fn of_action(run: &RunId, attempt: &AttemptId, number: u64) -> Self {
        Self::of(&["action", run.as_str(), attempt.task.as_str(), &attempt.number.to_string(), &number.to_string()])
    }

    /// The key of what a task calls `label`.
    pub fn of_task(run: &RunId, task: &TaskId, label: &str) -> Self {
        Self::of(&["task", run.as_str(), task.as_str(), label])
    }

    /// The key of what a run's hook is told of an entry.
    pub fn of_hook(run: &RunId, hook: &Name, about: Position) -> Self {
        Self::of(&["hook", run.as_str(), hook.as_str(), &about.0.to_string()])
    }

    /// Only a label, which is last, can hold a line break.
    fn of(parts: &[&str]) -> Self {
        Self(Digest::of(parts.join("\n").as_bytes()))
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
