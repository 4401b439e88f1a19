//! Suspended tasks: what each waits for, and how it is woken.
//!
//! A task waits for a time, for the end of its children, for a message, or for several of them, whichever comes first. Nothing of it is under way
//! meanwhile but a timer.

use super::dispatcher::Dispatcher;
use super::events::Event;
use crate::error::Halt;
use crate::ports::BoxFuture;
use longhaul_core::attempt::Wait;
use longhaul_core::graph::Awaits;
use longhaul_core::id::TaskId;
use longhaul_core::state::{TaskEvent, TaskState};
use longhaul_core::units::Timestamp;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::task::AbortHandle;

/// The tasks that wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) open: HashMap<TaskId, Waiting>,
    /// Whether there may be waits that nothing ends any more: something has changed since they were looked for.
    pub(super) unsure: bool,
    /// How many waits there were: tells a wait from an earlier one of the same task.
    tickets: u64,
}

/// What a task waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// How many waits there were before.
    pub(super) ticket: u64,
    /// The time that it waits for at most.
    until: Option<Timestamp>,
    /// The children that have not ended.
    children: HashSet<TaskId>,
    /// Whether a message wakes it.
    message: bool,
    /// The question whose answer wakes it.
    question: Option<u32>,
    timer: Option<AbortHandle>,
}

impl Waits {
    /// The question whose answer a task waits for.
    pub(super) fn waits_for_answer(&self, task: &TaskId) -> Option<u32> {
        self.open.get(task)?.question
    }

    /// Whether a task waits for a person.
    pub(super) fn has_questions(&self) -> bool {
        self.open.values().any(|waiting| waiting.question.is_some())
    }
}

impl Waiting {
    /// What can bring it on.
    pub(super) fn awaits(&self) -> Awaits<'_> {
        let Self { until, children, message, question, .. } = self;
        let children = (!children.is_empty()).then_some(children);
        Awaits { outside: until.is_some() || question.is_some(), message: *message, children }
    }

    /// What it waits for, in words.
    pub(super) fn what(&self) -> String {
        let children = self.children.iter().cloned().collect();
        Wait { until: self.until, children, message: self.message, question: self.question }.to_string()
    }
}

impl Dispatcher {
    /// Lets a suspended task wait.
    pub(super) fn wait(&mut self, task: &TaskId, wait: Wait) -> Result<(), Halt> {
        let Wait { until, children, message, question } = wait;
        let for_children = !children.is_empty();
        let ended = |state: TaskState| state.is_final() && state != TaskState::Escalated;
        let children: HashSet<_> =
            children.into_iter().filter(|child| !self.book.state(child).is_none_or(ended)).collect();
        let is_answered = question.is_some_and(|number| self.shared.forum.answer(task, number).is_some());
        let has_come = is_answered || message && self.shared.mail.sleep(task);
        if has_come || for_children && children.is_empty() {
            return self.apply(task, TaskEvent::Wake, None);
        }
        self.waits.tickets += 1;
        self.waits.unsure = true;
        let ticket = self.waits.tickets;
        let timer = match self.timer(task, until)? {
            None => None,
            Some(rest) => {
                let (no_more, task) = (self.no_more.clone(), task.clone());
                Some(self.flight.spawn(async move {
                    let waited = no_more.unless(rest).await;
                    Ok(waited.map_or(Event::Dropped, |()| Event::Woken(task, ticket)))
                }))
            }
        };
        self.waits.open.insert(task.clone(), Waiting { ticket, until, children, message, question, timer });
        Ok(())
    }

    /// Resolves when a task is woken at the latest; none where nothing but its children wakes it.
    fn timer(&mut self, task: &TaskId, until: Option<Timestamp>) -> Result<Option<BoxFuture<'static, ()>>, Halt> {
        let span = match until {
            Some(until) => until.since(self.shared.ports.time.now()),
            None if self.deadline_of(task)?.is_some() => Duration::MAX,
            None => return Ok(None),
        };
        self.rest(task, span).map(Some)
    }

    /// The time has come that a task waited for.
    pub(super) fn woken(&mut self, task: &TaskId, ticket: u64) -> Result<(), Halt> {
        match self.waits.open.get(task) {
            Some(waiting) if waiting.ticket == ticket => {
                let until = waiting.until;
                self.assume_answer(task, until)?;
                self.wake(task)
            }
            // It was woken by something else.
            _ => Ok(()),
        }
    }

    /// A child has ended: its parent is woken where it waited for nothing more.
    pub(super) fn child_ended(&mut self, parent: &TaskId, child: &TaskId) -> Result<(), Halt> {
        self.repaired(parent, child)?;
        let Some(waiting) = self.waits.open.get_mut(parent) else { return Ok(()) };
        match waiting.children.remove(child) && waiting.children.is_empty() {
            true => self.wake(parent),
            false => Ok(()),
        }
    }

    /// Wakes tasks that a message has come for.
    pub(super) fn letters(&mut self) -> Result<(), Halt> {
        while let Ok(task) = self.letters.try_recv() {
            self.wake(&task)?;
        }
        Ok(())
    }

    pub(super) fn wake(&mut self, task: &TaskId) -> Result<(), Halt> {
        self.forget_wait(task);
        match self.book.state(task) {
            Some(TaskState::Waiting) => self.apply(task, TaskEvent::Wake, None),
            _ => Ok(()),
        }
    }

    /// A task waits no more.
    pub(super) fn forget_wait(&mut self, task: &TaskId) {
        self.shared.mail.wake(task);
        if let Some(timer) = self.waits.open.remove(task).and_then(|waiting| waiting.timer) {
            timer.abort();
        }
    }
}
