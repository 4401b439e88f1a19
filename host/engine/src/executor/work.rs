//! What an executor is given to do, and what it tells when it is over.

use crate::shared::Hold;
use crate::transcript::Script;
use longhaul_core::attachment::AttachSource;
use longhaul_core::attempt::{Limits, Usage, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, Position};
use longhaul_core::grant::Permissions;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{IncidentClass, Problem};
use serde_json::Value;
use std::time::Duration;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Work {
    /// The task.
    pub(crate) task: TaskId,
    /// Who works on it.
    pub(crate) agent: Name,
    /// The number of its next attempt.
    pub(crate) number: u32,
    /// Its input, evaluated.
    pub(crate) input: Value,
    /// What it is given beside that.
    pub(crate) attach: Vec<AttachSource>,
    /// What an earlier instance handed over.
    pub(crate) state: Option<Value>,
    /// What the task gives.
    pub(crate) permissions: Permissions,
    /// What bounds one instance.
    pub(crate) limits: Limits,
    /// When the task has to be done: so long after the run began.
    pub(crate) deadline: Option<Duration>,
    /// Whether somebody may read what it puts out.
    pub(crate) is_read: bool,
    /// Whether the task judges the work of others.
    pub(crate) verify: bool,
    /// The agent that has to accept the result.
    pub(crate) validator: Option<Name>,
    /// Where the record says that this try begins.
    pub(crate) began: Position,
    /// The hash of what is done, where others may reuse it.
    pub(crate) key: Option<Digest>,
    /// Whether the record holds something of it already.
    pub(crate) is_again: bool,
}

/// What the failure of a task means that judges others: "it cannot be done" says that their work is not good enough.
pub(crate) fn judged(problem: Problem) -> Problem {
    match problem.class {
        IncidentClass::Fatal => Problem { class: IncidentClass::Validation, ..problem },
        _ => problem,
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How it ended.
    pub(crate) ending: Ending,
    /// The number of the next attempt.
    pub(crate) next: u32,
    /// Attempts that began, renewals and validations included; without those of before the run was resumed.
    pub(crate) attempts: u32,
    /// What they used: fuel, time and actions in sum, memory at most.
    pub(crate) usage: Usage,
    /// What the last instance handed over, if one did.
    pub(crate) state: Option<Value>,
    /// Where in the record the part of the try begins that would have to be done again.
    pub(crate) script: Script,
    /// The version that the last instance worked on; it stays in use until the end is taken note of.
    pub(crate) base: Option<Hold>,
    /// What was committed.
    pub(crate) changes: Vec<Change>,
    /// The hash of what was done, where others may reuse it and all of it was done in this process.
    pub(crate) key: Option<Digest>,
}

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Done and committed, with this output.
    Completed(Value),
    /// It failed in this attempt.
    Failed(AttemptId, Problem),
    /// It waits for this; nothing of the instance is left.
    Suspended(Wait),
    /// The run stopped meanwhile; nothing of the last instance is left.
    Interrupted,
}
