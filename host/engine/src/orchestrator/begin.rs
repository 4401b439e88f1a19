//! How a task begins: is it to be done, for which elements, with what input.

use super::dispatcher::Dispatcher;
use super::events::{Ending, Event};
use super::facts::Facts;
use super::reuse::Turn;
use crate::error::Halt;
use crate::executor::{Work, execute};
use crate::shared::Stop;
use crate::transcript::Script;
use longhaul_core::attachment::AttachSource;
use longhaul_core::id::TaskId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::state::TaskEvent;
use longhaul_core::workflow::expr::EvaluationError;
use longhaul_core::workflow::model::TaskSpec;
use serde_json::Value;
use std::sync::Arc;

/// What is known before a task begins.
enum Ready {
    /// Its condition does not hold.
    Skip,
    /// It is to be done with this input.
    Work(Box<Work>),
}

impl Dispatcher {
    /// Puts the elements of a `for_each` in its place.
    pub(super) fn expand(&mut self, task: &TaskId) -> Result<(), Halt> {
        let workflow = self.workflow.clone();
        let name = self.book.facts(task)?.name.clone();
        let spec = workflow.tasks.get(&name).ok_or_else(|| Halt::Defect(format!("there is no task `{name}`")))?;
        let scope = self.outputs.scope(None);
        let condition = spec.condition.as_ref().map_or(Ok(true), |condition| condition.holds(&scope));
        let elements = condition.and_then(|holds| if holds { spec.elements(&scope) } else { Ok(None) });
        match elements {
            Ok(Some(items)) => {
                self.outputs.expand(&name, items.len());
                for change in self.book.expand(task, items)? {
                    self.note(change, None)?;
                }
                Ok(())
            }
            Ok(None) => self.apply(task, TaskEvent::Skip, None),
            // There is no attempt that could be an incident, and the next evaluation would be the same.
            Err(error) => {
                self.end(Ending::Fail(format!("task `{task}`: {error}")));
                Ok(())
            }
        }
    }

    /// Starts a task, or skips it.
    pub(super) fn begin(&mut self, task: &TaskId) -> Result<(), Halt> {
        if let Some(span) = self.is_overdue(task)? {
            return self.miss(task, span);
        }
        if let Some(part) = self.shared.exhausted() {
            self.run_out(part);
            return self.book.put_back(task);
        }
        let workflow = self.workflow.clone();
        let Some(agent) = self.slots.choose(&self.book.agents(task)?) else {
            return Err(Halt::Defect(format!("nobody has room for `{task}`, which was its turn")));
        };
        let facts = self.book.facts(task)?;
        facts.agent.clone_from(&agent);
        let spec = workflow.tasks.get(&facts.name).ok_or_else(|| Halt::Defect(format!("there is no task `{task}`")))?;
        let ready = self.prepare(task, spec)?;
        if matches!(ready, Ok(Ready::Skip)) {
            return self.apply(task, TaskEvent::Skip, None);
        }
        let turn = match &ready {
            Ok(Ready::Work(work)) => self.turn_of(task, work)?,
            _ => Turn::Works,
        };
        if matches!(turn, Turn::Waits) {
            return Ok(());
        }
        self.slots.take(&agent);
        self.apply(task, TaskEvent::Start, None)?;
        match ready {
            Ok(Ready::Work(work)) => match turn {
                Turn::Looks(reusable) => {
                    self.look(task, *work, reusable);
                    Ok(())
                }
                _ => self.execute(task, *work),
            },
            Ok(Ready::Skip) => Ok(()),
            Err(error) => {
                let attempt = self.book.facts(task)?.take_number(task);
                let message = format!("the input cannot be worked out: {error}");
                self.fail(task, attempt, Problem::new(IncidentClass::Fatal, message))
            }
        }
    }

    /// Does a try again that the end of an earlier process cut short, along what is recorded of it.
    pub(super) fn work_on(&mut self, task: &TaskId, script: Script) -> Result<(), Halt> {
        self.book.facts(task)?.suspended = Some(script);
        let name = self.book.facts(task)?.name.clone();
        let workflow = self.workflow.clone();
        let spec = workflow.tasks.get(&name).ok_or_else(|| Halt::Defect(format!("there is no task `{task}`")))?;
        match self.prepare(task, spec)? {
            Ok(Ready::Work(work)) => self.execute(task, *work)?,
            Ok(Ready::Skip) => return Err(Halt::Defect(format!("the condition of `{task}` held and does not now"))),
            Err(error) => {
                return Err(Halt::Defect(format!("the input of `{task}` cannot be worked out again: {error}")));
            }
        }
        Ok(())
    }

    /// Whether a task does its work, or looks for equal work. One that goes on in the middle has begun to do it.
    fn turn_of(&mut self, task: &TaskId, work: &Work) -> Result<Turn, Halt> {
        let facts = self.book.facts(task)?;
        let (name, is_begun) = (facts.name.clone(), facts.suspended.is_some());
        Ok(match work.key.filter(|_| !is_begun) {
            Some(key) => self.turn(task, &name, &work.agent, key),
            None => Turn::Works,
        })
    }

    pub(super) fn execute(&mut self, task: &TaskId, mut work: Work) -> Result<(), Halt> {
        let facts = self.book.facts(task)?;
        match facts.suspended.take() {
            // What is done again has the numbers that it had.
            Some(Script { after, number }) => (work.began, work.number, work.is_again) = (after, number, true),
            None => work.began = facts.began,
        }
        let stop = Arc::new(Stop::new());
        self.stops.insert(task.clone(), Arc::clone(&stop));
        let (shared, task) = (self.shared.clone(), task.clone());
        self.flight.spawn(async move {
            let ended = execute(&shared, work, stop).await?;
            Ok(Event::Ended(task, Box::new(ended)))
        });
        Ok(())
    }

    /// Works out whether a task is to be done, with what, and whether others may have done the same.
    fn prepare(&mut self, task: &TaskId, spec: &TaskSpec) -> Result<Result<Ready, EvaluationError>, Halt> {
        let mut ready = self.input(task, spec)?;
        if let Ok(Ready::Work(work)) = &mut ready {
            let name = self.book.facts(task)?.name.clone();
            work.key = self.work_key(work, &name, spec);
            work.deadline = self.deadline_of(task)?;
            work.is_read = task.parent().is_some() || self.outputs.is_read(&name);
        }
        Ok(ready)
    }

    fn input(&mut self, task: &TaskId, spec: &TaskSpec) -> Result<Result<Ready, EvaluationError>, Halt> {
        let facts = self.book.facts(task)?;
        if let Some(input) = facts.child_input() {
            return Ok(Ok(Ready::Work(Box::new(facts.work(task, spec, input, Vec::new())))));
        }
        let scope = self.outputs.scope(facts.item());
        // The condition of a `for_each` was seen before its elements came to be.
        if let Some(condition) = spec.condition.as_ref().filter(|_| facts.element.is_none()) {
            match condition.holds(&scope) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(Ready::Skip)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let given = spec.with.evaluate(&scope).and_then(|input| Ok((input, spec.sources(&scope)?)));
        Ok(given.map(|(input, attach)| Ready::Work(Box::new(facts.work(task, spec, input, attach)))))
    }
}

impl Facts {
    /// The next try at a task with this input and these attachments.
    fn work(&self, task: &TaskId, spec: &TaskSpec, input: Value, attach: Vec<AttachSource>) -> Work {
        Work {
            task: task.clone(),
            agent: self.agent.clone(),
            number: self.next,
            input,
            attach,
            state: self.handed.clone(),
            permissions: spec.permissions.clone(),
            limits: spec.limits.clone(),
            deadline: None,
            verify: judges(task, spec),
            validator: self.validator.clone(),
            began: self.began,
            is_read: false,
            key: None,
            is_again: false,
        }
    }
}

/// Whether a task judges the work of others. A child judges nobody: what that is for is written in the workflow.
pub(super) fn judges(task: &TaskId, spec: &TaskSpec) -> bool {
    spec.verify && task.parent().is_none()
}
