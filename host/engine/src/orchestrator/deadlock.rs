//! Waits that nothing can end: found while others work, and where nothing is left that could bring anything.
//!
//! Of the tasks that wait for nothing any more, the one that came to wait last, and so closed the circle, fails with an incident of class `deadlock`,
//! and its strategies decide. The others may go on by that; where they do not, the next of them is found.

use super::dispatcher::Dispatcher;
use crate::error::Halt;
use crate::ports::BoxFuture;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::state::TaskEvent;
use serde_json::json;
use std::cmp::Reverse;
use std::time::Duration;

/// The most waits that are told one by one.
const TOLD: usize = 20;
/// How long after a change circles are looked for. Looking costs as much as there are open tasks, so it is not done after each of many changes.
const SETTLING: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Resolves when circles are to be looked for; none where nothing has changed since they were.
    pub(super) fn circles_due(&mut self) -> Option<BoxFuture<'static, ()>> {
        let is_unsure = std::mem::take(&mut self.waits.unsure) && !self.waits.open.is_empty();
        is_unsure.then(|| self.shared.ports.time.sleep(SETTLING))
    }

    /// Breaks a circle of waits, where there is one while others work.
    pub(super) fn break_circle(&mut self) -> Result<bool, Halt> {
        // Whoever has been sent a message waits no more.
        self.arrivals()?;
        self.letters()?;
        if self.ending.is_some() {
            return Ok(false);
        }
        let stuck = self.stuck();
        let reason = match stuck.len() {
            0 => return Ok(false),
            1 => "nothing that goes on in the run will bring it".to_owned(),
            many => format!("nothing that goes on in the run will bring it; {many} tasks wait in vain"),
        };
        self.fail_waiting(stuck, &reason)?;
        // Others of the circle may wait in vain still.
        self.waits.unsure = true;
        Ok(true)
    }

    /// Nothing is under way and nothing can begin: where tasks wait, nothing will ever come. Tells whether there was one.
    pub(super) fn break_deadlock(&mut self) -> Result<bool, Halt> {
        let all: Vec<_> = self.waits.open.keys().cloned().collect();
        if all.is_empty() {
            return Ok(false);
        }
        let reason = format!("nothing is under way that could bring it; {} tasks wait", all.len());
        self.fail_waiting(all, &reason)?;
        Ok(true)
    }

    fn stuck(&self) -> Vec<TaskId> {
        let awaits = |task: &TaskId| self.waits.open.get(task).map(|waiting| waiting.awaits());
        let stuck = self.book.graph().stuck(awaits, |name| self.may_send(name));
        stuck.into_iter().filter(|task| self.waits.open.contains_key(task)).cloned().collect()
    }

    /// Whether an agent at this task may send messages, or ask for a task that may.
    fn may_send(&self, name: &Name) -> bool {
        let Some(spec) = self.workflow.tasks.get(name) else { return true };
        let is_given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        is_given(&spec.permissions.messages) || is_given(&spec.permissions.tasks) || spec.compensate.is_some()
    }

    /// Fails the one of these tasks that came to wait last.
    fn fail_waiting(&mut self, mut tasks: Vec<TaskId>, reason: &str) -> Result<(), Halt> {
        let waiting = |task: &TaskId| self.waits.open.get(task);
        tasks.sort_unstable_by_key(|task| Reverse(waiting(task).map(|waiting| waiting.ticket)));
        let what = |task: &TaskId| waiting(task).map(|waiting| waiting.what()).unwrap_or_default();
        let told: Vec<_> = tasks.iter().take(TOLD).map(|task| json!({ "task": task, "waits": what(task) })).collect();
        let Some(task) = tasks.first() else { return Ok(()) };
        let message = format!("the task waits {}, and {reason}", what(task));
        let evidence = json!({ "waits": tasks.len(), "tasks": told });
        let problem = Problem::new(IncidentClass::Deadlock, message).with_evidence(evidence);
        self.wake(task)?;
        let agent = self.book.facts(task)?.agent.clone();
        // Deciding on it takes a slot, which may be one more than there are.
        self.slots.take(&agent);
        self.apply(task, TaskEvent::Start, None)?;
        self.fail_suspended(task, problem)
    }
}
