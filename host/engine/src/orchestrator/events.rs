//! What the dispatcher is told, and the ways in which a run can come to its end.

use crate::executor::{Ended, Work};
use crate::recovery::{GoBack, Verdict};
use crate::spending::Part;
use longhaul_core::id::{AttemptId, TaskId};
use longhaul_core::incident::Past;
use serde_json::Value;

/// Something that was under way for a task has come to its end.
#[derive(Debug)]
pub(super) enum Event {
    /// A try.
    Ended(TaskId, Box<Ended>),
    /// A recovery, with what is to be remembered of it.
    Decided(TaskId, Verdict, Option<Box<Past>>),
    /// A look at what was done before, with the attempt that did the same and its output.
    Looked(TaskId, Box<Work>, Option<(AttemptId, Value)>),
    /// A wait before the next try.
    Due(TaskId),
    /// The timer of a suspended try, with the number of its wait.
    Woken(TaskId, u64),
    /// A recovery or a wait that the run's end cut short.
    Dropped,
}

/// Why nothing new begins any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// A task was given up.
    Fail(String),
    /// A person has to look.
    Escalate(String),
    /// A budget is used up.
    Exhaust(Part),
    /// The run goes back to a checkpoint, for this task, and then on from there. What is under way is dropped.
    GoBack(TaskId, GoBack),
    /// Only people can bring it on.
    People,
    /// The operator paused the run.
    Pause,
    /// The operator cancelled the run.
    Cancel,
}

impl Ending {
    /// Whether what is under way is dropped, not waited for. Where another part of the budget than time is used up, it goes on to
    /// its own limit.
    pub(super) fn interrupts(&self) -> bool {
        matches!(self, Ending::Cancel | Ending::Pause | Ending::GoBack(..) | Ending::Exhaust(Part::WallTime))
    }
}
