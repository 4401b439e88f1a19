//! What cannot be done with a graph.

use crate::id::{Name, TaskId};
use crate::state::IllegalTransition;

/// What cannot be done with a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A task needs one that does not exist.
    #[error("the task `{task}` needs `{need}`, which does not exist")]
    UnknownNeed {
        /// The task.
        task: Name,
        /// What it needs.
        need: Name,
    },
    /// Two tasks have one name.
    #[error("there are two tasks `{0}`")]
    Duplicate(Name),
    /// Tasks wait for each other.
    #[error("these tasks wait for each other: {}", show_cycle(.0))]
    Cycle(Vec<Name>),
    /// A task does not exist.
    #[error("there is no task `{0}` in this run")]
    UnknownTask(TaskId),
    /// A task is not one that can be expanded now.
    #[error("the task `{0}` cannot be expanded: it has no `for_each`, or is not waiting for it")]
    NotExpandable(TaskId),
    /// A task is expanded, so it ends with its elements.
    #[error("the task `{0}` is expanded, so it goes as its elements do")]
    Expanded(TaskId),
    /// A child's parent has ended or never began.
    #[error("the task `{0}` cannot have a child now")]
    NotOpen(TaskId),
    /// The event does not fit the task's state.
    #[error("the task `{task}` cannot go on: {source}")]
    Illegal {
        /// The task.
        task: TaskId,
        /// Why.
        source: IllegalTransition,
    },
}

fn show_cycle(names: &[Name]) -> String {
    names.iter().chain(names.first()).map(Name::as_str).collect::<Vec<_>>().join(" → ")
}
