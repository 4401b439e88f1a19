//! Tasks that attempts ask for: how they join the run, and what their parents see of them.

use super::dispatcher::Dispatcher;
use crate::error::Halt;
use longhaul_core::children::ChildStatus;
use longhaul_core::id::TaskId;
use longhaul_core::outbox::Outbox;
use longhaul_core::state::{TaskEvent, TaskState};
use serde_json::{Value, json};
use std::sync::Arc;

impl Dispatcher {
    /// Takes in what attempts have published.
    pub(super) fn arrivals(&mut self) -> Result<(), Halt> {
        while let Ok(outbox) = self.arrivals.try_recv() {
            self.published(outbox)?;
        }
        Ok(())
    }

    /// Makes what was published part of the run.
    pub(super) fn published(&mut self, outbox: Outbox) -> Result<(), Halt> {
        for child in outbox.spawned {
            // An earlier attempt at the parent may have asked for it, and the parent may be over by now.
            let parent = child.task.parent().and_then(|parent| self.book.state(&parent));
            if self.book.state(&child.task).is_some() {
                continue;
            }
            if parent.is_none_or(TaskState::is_final) {
                self.shared.board.forget(std::iter::once(&child.task));
                self.shared.mail.end(&child.task);
                continue;
            }
            if !child.needs.iter().all(|need| self.book.state(need).is_some()) {
                // What it needs never came to be, so it never will either.
                self.shared.board.update(&child.task, ChildStatus::Cancelled);
                self.shared.mail.end(&child.task);
                continue;
            }
            for change in self.book.spawn(child)? {
                self.note(change, None)?;
            }
        }
        self.cancel_children(&outbox.cancelled)
    }

    /// Cancels what is not wanted any more, as far as it is open.
    pub(super) fn cancel_children(&mut self, children: &[TaskId]) -> Result<(), Halt> {
        for child in children {
            if self.book.state(child).is_some_and(|state| !state.is_final()) {
                self.apply(child, TaskEvent::Cancel, None)?;
            }
        }
        Ok(())
    }

    /// A child stands differently now: its parent may look, or wait for it.
    pub(super) fn child_changed(&mut self, task: &TaskId, to: TaskState, output: Option<Value>) -> Result<(), Halt> {
        let status = match to {
            TaskState::Pending => ChildStatus::Pending,
            // What is escalated goes on when somebody has seen to it.
            TaskState::Running | TaskState::Waiting | TaskState::Failing | TaskState::Escalated => ChildStatus::Running,
            TaskState::Completed => ChildStatus::Completed(Arc::new(output.unwrap_or_else(|| json!({})))),
            TaskState::Skipped => ChildStatus::Skipped,
            TaskState::Cancelled => ChildStatus::Cancelled,
            TaskState::Failed => ChildStatus::Failed(self.book.facts(task)?.problem()),
        };
        let has_ended = status.has_ended();
        self.shared.board.update(task, status);
        match task.parent().filter(|_| has_ended) {
            Some(parent) => self.child_ended(&parent, task),
            None => Ok(()),
        }
    }

    /// Whether the task that asked for this one is still there to see what comes of it.
    pub(super) fn is_seen_to(&self, task: &TaskId) -> bool {
        let mut task = task.clone();
        while let Some(parent) = task.parent() {
            match self.book.state(&parent) {
                Some(TaskState::Completed | TaskState::Failed | TaskState::Cancelled) | None => task = parent,
                Some(_) => return true,
            }
        }
        false
    }
}
