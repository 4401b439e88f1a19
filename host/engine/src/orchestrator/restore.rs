//! How a resumed run comes to be where it was.
//!
//! The record's transitions are made again on a fresh graph, in their order, without being recorded a second time; outputs
//! come from the record, and what expressions make of them is the same as before. Then each task that had not ended goes
//! on from the middle: a try is done again along its transcript, an open incident is decided on, a wait goes on.

use super::begin::judges;
use super::dispatcher::Dispatcher;
use super::repair::Remedy;
use crate::error::Halt;
use crate::executor::judged;
use crate::history::{Decided, History, Output, Step as HistoryStep, TaskHistory};
use crate::recovery::Verdict;
use crate::transcript::Script;
use longhaul_core::attempt::Outcome;
use longhaul_core::entry::CheckpointReason;
use longhaul_core::id::TaskId;
use longhaul_core::incident::Decision;
use longhaul_core::outbox::Outbox;
use longhaul_core::state::{TaskEvent, TaskState};
use longhaul_core::units::Timestamp;
use serde_json::Value;
use std::time::Duration;

impl Dispatcher {
    /// Brings everything to where the record says the run was, and lets it go on.
    pub(crate) fn restore(&mut self, history: &History) -> Result<(), Halt> {
        let mut not_wanted = Vec::new();
        for step in &history.steps {
            match step {
                HistoryStep::Changed(task, to) => self.repeat(task, *to)?,
                HistoryStep::Published(outbox) => {
                    self.shared.board.enter(outbox);
                    // Which of them had ended by then is said by the record.
                    not_wanted.extend(outbox.cancelled.iter().cloned());
                    self.published(Outbox { spawned: outbox.spawned.clone(), ..Outbox::default() })?;
                }
            }
        }
        self.incidents = history.incidents;
        self.went_back = history.went_back;
        self.changes.clone_from(&history.changes);
        self.checkpoints.restore(history);
        self.restore_reuse(&history.reusable);
        let open = self.book.settle()?;
        self.cancel_children(&not_wanted)?;
        // What has its agent takes its slot first; what was about to begin finds one among what is left.
        let (begun, others): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, known)| known.state != TaskState::Running || known.base.is_some());
        for (task, known) in begun {
            self.carry_on(&task, known)?;
        }
        for (task, mut known) in others {
            if let Some(agent) = self.slots.choose(&self.book.agents(&task)?) {
                self.book.facts(&task)?.agent.clone_from(&agent);
                known.agent = agent;
            }
            self.carry_on(&task, known)?;
        }
        // The checkpoint of a commit may have been lost with the record's tail.
        if self.checkpoints.newest().unwrap_or(history.base) != history.version {
            self.checkpoint(CheckpointReason::Commit)?;
        }
        Ok(())
    }

    /// Makes a recorded transition again, unless it followed from an earlier one.
    fn repeat(&mut self, task: &TaskId, to: TaskState) -> Result<(), Halt> {
        let misfit =
            |what: &str| Halt::Defect(format!("the record of task `{task}` does not fit the workflow: {what}"));
        let from = self.book.state(task).ok_or_else(|| misfit("there is no such task"))?;
        if from == to {
            return Ok(());
        }
        let name = &self.book.facts(task)?.name;
        let expands = self.workflow.tasks.get(name).is_some_and(|spec| spec.for_each.is_some());
        if expands && to == TaskState::Running && task.index().is_none() && task.parent().is_none() {
            let planned = self.book.known(task).map_or(0, |known| known.elements);
            self.expand(task)?;
            return match self.book.elements(task) {
                now if now == planned => Ok(()),
                now => Err(misfit(&format!("it had {planned} elements and has {now} now"))),
            };
        }
        let event = from.event_to(to).ok_or_else(|| misfit(&format!("it cannot go from {from} to {to}")))?;
        let output = match event {
            TaskEvent::Complete if from == TaskState::Failing => Some(self.output_of_parts(task)),
            TaskEvent::Complete => self.recorded_output(task)?,
            _ => None,
        };
        self.apply(task, event, output)
    }

    /// What a task put out that the record says to be completed.
    fn recorded_output(&mut self, task: &TaskId) -> Result<Option<Value>, Halt> {
        match self.book.known(task).and_then(|known| known.output.clone()) {
            Some(Output::Here(output)) => Ok(Some(output)),
            Some(Output::InRecord(attempt, after)) => {
                let name = &self.book.facts(task)?.name;
                // Where nobody reads it, it need not be looked for.
                let is_read = task.parent().is_some() || self.outputs.is_read(name);
                if is_read { Ok(self.shared.ledger.output(&attempt, after)?) } else { Ok(None) }
            }
            None => Ok(None),
        }
    }

    /// Goes on with a task that had not ended.
    fn carry_on(&mut self, task: &TaskId, known: TaskHistory) -> Result<(), Halt> {
        if self.book.state(task).is_some_and(|state| state.is_final() && state != TaskState::Escalated) {
            // It was not wanted any more.
            return Ok(());
        }
        let script = known.began.map(|(after, number)| Script { after, number });
        if known.is_foreign {
            return self.begin_anew(task);
        }
        match self.book.state(task) {
            // To resume the run is to say that it may be tried again.
            Some(TaskState::Escalated) => {
                self.book.facts(task)?.forgive();
                return self.apply(task, TaskEvent::Retry, None);
            }
            Some(TaskState::Pending) => {
                self.book.facts(task)?.suspended = script;
                return self.book.keep_agent(task);
            }
            Some(TaskState::Waiting) => {
                self.book.facts(task)?.suspended = script;
                self.book.keep_agent(task)?;
                return self.wait(task, known.wait.unwrap_or_default());
            }
            Some(TaskState::Running) => self.slots.take(&known.agent),
            _ => {
                self.slots.take(&known.agent);
                return self.decide_on(task, known);
            }
        }
        if let Some(incident) = known.incident {
            self.apply(task, TaskEvent::Fail, None)?;
            return self.recover(task, incident, known.asked);
        }
        if known.base.is_none()
            && let Some(span) = self.is_overdue(task)?
        {
            return self.missed(task, span);
        }
        match known.ended {
            Some((attempt, Err(problem))) => {
                let spec = self.workflow.tasks.get(&self.book.facts(task)?.name);
                let judges = spec.is_some_and(|spec| judges(task, spec));
                self.failed(task, attempt, if judges { judged(problem) } else { problem })
            }
            Some((_, Ok(Outcome::Completed(output)))) if known.is_committed => {
                self.release(&known.agent);
                self.apply(task, TaskEvent::Complete, Some(output))
            }
            ended => {
                if let Some((attempt, _)) = ended {
                    self.shared.spending.is_recorded(attempt);
                }
                let script = script
                    .ok_or_else(|| Halt::Defect(format!("the record does not say where the try at `{task}` began")))?;
                self.work_on(task, script)
            }
        }
    }

    /// Lets a task begin again whose try is another run's.
    fn begin_anew(&mut self, task: &TaskId) -> Result<(), Halt> {
        match self.book.state(task) {
            Some(TaskState::Waiting) => self.apply(task, TaskEvent::Wake, None),
            Some(TaskState::Running) => {
                self.apply(task, TaskEvent::Fail, None)?;
                self.apply(task, TaskEvent::Retry, None)
            }
            _ => Ok(()),
        }
    }

    /// Goes on with a task that had failed and was not tried again yet.
    fn decide_on(&mut self, task: &TaskId, known: TaskHistory) -> Result<(), Halt> {
        let Some(incident) = known.incident else {
            // It was on its way back to another try.
            let agent = self.book.facts(task)?.agent.clone();
            self.release(&agent);
            return self.apply(task, TaskEvent::Retry, None);
        };
        let Some(Decided { decision, at, checkpoint }) = known.decided else {
            return self.recover(task, incident, known.asked);
        };
        let decision = match decision {
            // The version that was the current one then need not be it now.
            Decision::Rollback { validate, .. } if checkpoint.is_none() => Decision::Rollback { to: None, validate },
            decision => decision,
        };
        let remedy = match decision {
            Decision::Compensate => Some(Remedy::Compensate),
            Decision::Split => Some(Remedy::Split),
            _ => None,
        };
        if let Some(remedy) = remedy {
            self.release(&known.agent);
            return self.repair(task, Some(incident), remedy);
        }
        let case = self.case(task, incident, Vec::new())?;
        let verdict = match case.verdict(&decision, &self.shared.agents, &self.shared.checks) {
            Ok(verdict) => self.less(verdict, at),
            // It could be carried out when it was made; the strategies behind it may know better now.
            Err(_) => return self.recover(task, case.incident, known.asked),
        };
        self.decided(task, verdict, None)
    }

    /// A verdict of `at`, with what is left of its wait.
    fn less(&self, verdict: Verdict, at: Timestamp) -> Verdict {
        match verdict {
            Verdict::Again(mut again) => {
                let waited: Duration = self.shared.ports.time.now().since(at);
                again.after = again.after.saturating_sub(waited);
                Verdict::Again(again)
            }
            verdict => verdict,
        }
    }
}
