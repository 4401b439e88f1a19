//! What came of a run, for the one who started it.

use crate::questions::OpenQuestion;
use longhaul_core::counts::TaskCounts;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, ChangeKind};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::Problem;
use longhaul_core::path::StagePath;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Fuel, Money, Tokens};
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: RunState,
    /// Why, for a person; empty where it goes without saying.
    pub reason: String,
    /// What people are asked, where nobody else can bring the run on.
    pub questions: Vec<OpenQuestion>,
    /// The version that it began with.
    pub base: Digest,
    /// The version that it ended with. It is kept, whether it was applied or not.
    pub version: Digest,
    /// Files of the user's folder that were written or removed; none where nothing was applied.
    pub applied: Option<u64>,
    /// What differs between the two versions, by path.
    pub changes: BTreeMap<StagePath, ChangeKind>,
    /// How many tasks are in which state.
    pub counts: TaskCounts,
    /// The tasks in the order in which they were planned, elements of a `for_each` each for itself.
    pub tasks: Vec<TaskRow>,
    /// Failed attempts.
    pub incidents: u64,
    /// Computing of all attempts that ended.
    pub fuel: Fuel,
    /// Tokens of language models.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
    /// What the content of the state folder takes, as far as that is known.
    pub disk: Bytes,
    /// The most linear memory that one attempt had at a time.
    pub memory: Bytes,
    /// Wall time.
    pub time: Duration,
}

/// What came of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// The task.
    pub task: TaskId,
    /// Who worked on it last.
    pub agent: Name,
    /// Where it stands.
    pub state: TaskState,
    /// Attempts that began, renewals and validations included.
    pub attempts: u32,
    /// Computing of all of them.
    pub fuel: Fuel,
    /// Tokens of language models.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
    /// The most linear memory that one of them had at a time.
    pub memory: Bytes,
    /// Wall time of all of them.
    pub time: Duration,
    /// What went wrong last, if anything did.
    pub problem: Option<Problem>,
    /// The attempt whose output it took, where it had none of its own.
    pub reused: Option<AttemptId>,
}

/// Adds `changes` to what differed before. What was added and removed again leaves no trace.
pub(crate) fn merge(all: &mut BTreeMap<StagePath, ChangeKind>, changes: Vec<Change>) {
    for Change { path, change, .. } in changes {
        match ChangeKind::together(all.get(&path).copied(), change) {
            Some(now) => all.insert(path, now),
            None => all.remove(&path),
        };
    }
}
