//! Tasks that an agent asks for while it works, and what it may ask about them.
//!
//! What an attempt asks for is held back until it commits or waits: then all of it becomes part of the run in one entry of
//! the record, or none of it does. A child that an earlier attempt of the same task asked for already, with the same request, is
//! that child: a task that is tried again does not do its children's work again.

use crate::attempt::RecordError;
use crate::id::{Name, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;

/// The most children of one task.
pub const MAX_CHILDREN: usize = 10_000;
/// The most children in a run, those that have ended included: each takes room in the host's memory to the end.
pub const MAX_IN_RUN: usize = 100_000;
/// The most children that one child can need.
pub const MAX_NEEDS: usize = 1_000;
/// The most bytes of JSON that the inputs of a run's children may have together, while their parents are open: they are in the
/// host's memory.
pub const MAX_INPUTS: usize = 64 << 20;

/// A task that an agent asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildTask {
    /// Its id: the parent's, and its own name.
    pub task: TaskId,
    /// Who works on it.
    pub agent: Name,
    /// Others that may do it as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Name>,
    /// Its input, a JSON object.
    pub input: Value,
    /// Children of the same parent that have to end well first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<TaskId>,
    /// Higher goes first; 0 is usual.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
}

/// How a child stands, as its parent sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildStatus {
    /// Not started.
    Pending,
    /// Being worked on, waiting, or being decided on.
    Running,
    /// Done, with its output.
    Completed(Arc<Value>),
    /// Given up, for this reason.
    Failed(String),
    /// Left out by a recovery decision.
    Skipped,
    /// Cancelled.
    Cancelled,
}

impl ChildStatus {
    /// Whether nothing more will happen to it.
    pub fn has_ended(&self) -> bool {
        !matches!(self, ChildStatus::Pending | ChildStatus::Running)
    }
}

/// What is wrong with a request about children; the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There are too many already.
    #[error("a task can have {MAX_CHILDREN} children, and a run {MAX_IN_RUN}")]
    TooMany,
    /// Their inputs are too much.
    #[error(
        "the inputs of a run's children can have {MAX_INPUTS} bytes (64 MiB) together, and this one is more than is left"
    )]
    TooMuch,
    /// What the children put out is more than one answer may carry.
    #[error("what these children put out is more than one call may carry; ask about fewer at a time")]
    AnswerTooLarge,
    /// This attempt may not have any.
    #[error("this attempt only looks at the work of another one")]
    OnlyLooks,
}

/// The children of the task that one attempt works on.
pub trait Children: Send + Sync {
    /// Asks for a child. It is held back until [`Children::publish`], or the attempt's commit.
    ///
    /// # Errors
    /// [`ChildError`], and nothing is asked for.
    fn spawn(&self, name: &str, child: NewChild) -> Result<TaskId, ChildError>;

    /// Asks again for what was granted to the attempt that is replayed here: what bounds requests has been asked then.
    fn ask_again(&self, name: &str, child: NewChild);

    /// How a child stands now.
    ///
    /// # Errors
    /// [`ChildError::Invalid`] where it is no child of this task.
    fn status(&self, child: &str) -> Result<ChildStatus, ChildError>;

    /// Cancels a child, held back in the same way. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`ChildError::Invalid`] where it is no child of this task.
    fn cancel(&self, child: &str) -> Result<(), ChildError>;

    /// Makes known what was held back, before a wait. A replayed attempt calls it where it did before.
    ///
    /// # Errors
    /// [`RecordError`] where it cannot be recorded: the attempt ends.
    fn publish(&self) -> Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send + '_>>;
}

/// Who is to work on a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worker {
    /// This agent.
    Agent(String),
    /// Any agent that has all of these skills.
    Skilled {
        /// The skills.
        skills: Vec<String>,
        /// The agents that are granted, as each layer of the grant names them; `*` is all of them.
        granted: Vec<Vec<String>>,
    },
}

/// A child as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChild {
    /// Who is to work on it.
    pub worker: Worker,
    /// Its input, a JSON object.
    pub input: Value,
    /// Names of children of the same parent that have to end well first.
    pub needs: Vec<String>,
    /// Higher goes first.
    pub priority: i32,
}

/// For an attempt that has no children and can have none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoChildren;

impl Children for NoChildren {
    fn spawn(&self, _: &str, _: NewChild) -> Result<TaskId, ChildError> {
        Err(ChildError::OnlyLooks)
    }

    fn ask_again(&self, _: &str, _: NewChild) {}

    fn status(&self, _: &str) -> Result<ChildStatus, ChildError> {
        Err(ChildError::OnlyLooks)
    }

    fn cancel(&self, _: &str) -> Result<(), ChildError> {
        Err(ChildError::OnlyLooks)
    }

    fn publish(&self) -> Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}
