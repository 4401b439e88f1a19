//! What the dispatcher does about deadlines: tells when the next one passes, and fails what was not done by then.
//!
//! An attempt under way is recalled by the executor. What has no attempt fails without one: a task that waits for others at once, the elements
//! of a `for_each` as they come up. What is suspended or waits for another try is woken by its deadline at the latest.

use super::dispatcher::Dispatcher;
use crate::deadlines::missed;
use crate::error::Halt;
use crate::ports::BoxFuture;
use crate::transcript::remains;
use longhaul_core::attempt::Usage;
use longhaul_core::entry::Entry;
use longhaul_core::id::{AttemptId, TaskId};
use longhaul_core::incident::Problem;
use longhaul_core::state::{TaskEvent, TaskState};
use std::time::Duration;

impl Dispatcher {
    /// Resolves when the next deadline passes.
    pub(super) fn next_deadline(&self) -> BoxFuture<'static, Duration> {
        let Some((span, wait)) = self.shared.deadlines.next() else { return Box::pin(std::future::pending()) };
        let waited = self.shared.ports.time.sleep(wait);
        Box::pin(async move {
            waited.await;
            span
        })
    }

    /// A deadline has passed: what waits for it to be told is told.
    pub(super) fn deadline_passed(&mut self, span: Duration) {
        self.overdue.extend(self.shared.deadlines.reach(span).iter().map(TaskId::single));
    }

    /// Fails tasks whose deadline has passed and that have not begun, as far as there is room for deciding on them.
    pub(super) fn fail_overdue(&mut self) -> Result<(), Halt> {
        while self.ending.is_none() && self.slots.any() {
            let Some(task) = self.overdue.pop_front() else { break };
            let facts = self.book.facts(&task)?;
            let name = facts.name.clone();
            // What is to be done for each element fails with each of them: there is nothing to try again of the whole.
            let is_each = self.workflow.tasks.get(&name).is_some_and(|spec| spec.for_each.is_some());
            if is_each || self.book.state(&task) != Some(TaskState::Pending) {
                continue;
            }
            let Some(span) = self.is_overdue(&task)? else { continue };
            if !self.slots.admit(&self.book.agents(&task)?) {
                self.overdue.push_front(task);
                break;
            }
            self.miss(&task, span)?;
        }
        Ok(())
    }

    /// When a task has to be done; none where a person let it be tried after that, and where it repairs another one.
    pub(super) fn deadline_of(&mut self, task: &TaskId) -> Result<Option<Duration>, Halt> {
        let name = &self.book.facts(task)?.name;
        let deadline = self.workflow.tasks.get(name).and_then(|spec| spec.deadline);
        Ok(deadline.filter(|_| !task.is_repair() && !self.book.is_excused(task)))
    }

    /// The deadline of a task that was not done by then.
    pub(super) fn is_overdue(&mut self, task: &TaskId) -> Result<Option<Duration>, Halt> {
        Ok(self.deadline_of(task)?.filter(|span| self.shared.deadlines.has_passed(*span)))
    }

    /// Waits for `wait`, or until the task's deadline passes where that is sooner.
    pub(super) fn rest(&mut self, task: &TaskId, wait: Duration) -> Result<BoxFuture<'static, ()>, Halt> {
        let (shared, deadline) = (self.shared.clone(), self.deadline_of(task)?);
        Ok(Box::pin(async move {
            tokio::select! {
                () = shared.ports.time.sleep(wait) => {}
                () = shared.deadlines.pass(deadline) => {}
            }
        }))
    }

    /// Fails a pending task that was not done by its deadline.
    pub(super) fn miss(&mut self, task: &TaskId, span: Duration) -> Result<(), Halt> {
        let Some(agent) = self.slots.choose(&self.book.agents(task)?) else {
            return Err(Halt::Defect(format!("nobody has room for `{task}`, which was its turn")));
        };
        self.slots.take(&agent);
        self.book.facts(task)?.agent = agent;
        self.apply(task, TaskEvent::Start, None)?;
        self.missed(task, span)
    }

    /// A task that is running and has no instance was not done by its deadline.
    pub(super) fn missed(&mut self, task: &TaskId, span: Duration) -> Result<(), Halt> {
        self.fail_suspended(task, missed(span))
    }

    /// A task that is running and has no instance has this problem.
    pub(super) fn fail_suspended(&mut self, task: &TaskId, mut problem: Problem) -> Result<(), Halt> {
        let facts = self.book.facts(task)?;
        let attempt = match facts.suspended.take() {
            // It is not brought back only to be ended, so what it used is known to nobody; what it did outside and published is in the record.
            Some(script) => {
                problem = remains(&self.shared.ledger, task, script)?.listed_in(problem);
                let attempt = AttemptId { task: task.clone(), number: facts.next.saturating_sub(1) };
                let ended = Entry::AttemptEnded { result: Err(problem.clone()), usage: Usage::default() };
                self.shared.ledger.attempt(&attempt, ended)?;
                attempt
            }
            None => facts.take_number(task),
        };
        self.fail(task, attempt, problem)
    }
}
