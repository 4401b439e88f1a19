//! What is done about a failed task beside trying it again: taking back what it did outside its files, and splitting it.
//!
//! Other agents do that, as tasks of their own: children of the failed task, which stays `failing` meanwhile. So they have attempts, a recovery
//! and a record like any other task, and a run that is resumed finds what was done of it.
//!
//! ```text
//!   compensate ──► x._undo-2 ──────────────────────► the chain is asked again
//!   split ───────► x._split-2 ──► x._part-2-0 … ───► x is completed
//! ```
//!
//! The number is that of the failed attempt.

use super::dispatcher::Dispatcher;
use crate::error::Halt;
use crate::recovery::Verdict;
use longhaul_core::children::{ChildStatus, ChildTask, MAX_CHILDREN};
use longhaul_core::entry::Entry;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::Incident;
use longhaul_core::outbox::Outbox;
use longhaul_core::state::TaskEvent;
use longhaul_core::workflow::expr::EvaluationError;
use longhaul_core::workflow::model::SplitSpec;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// What is done about a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    Compensate,
    Split,
}

/// A failed task that something is done about.
#[derive(Debug)]
pub(super) struct Repair {
    incident: Incident,
    remedy: Remedy,
    /// The children that it waits for.
    open: HashSet<TaskId>,
}

/// Why a remedy does not go on.
enum Obstacle {
    /// It does not help, for this reason; a person has to look.
    NoHelp(String),
    /// The run cannot go on.
    Halt(Halt),
}

impl From<Halt> for Obstacle {
    fn from(halt: Halt) -> Self {
        Obstacle::Halt(halt)
    }
}

impl Dispatcher {
    /// Does something about a failed task, or goes on doing it.
    pub(super) fn repair(&mut self, task: &TaskId, incident: Option<Incident>, remedy: Remedy) -> Result<(), Halt> {
        let incident = incident.ok_or_else(|| Halt::Defect(format!("it is not known why `{task}` failed")))?;
        self.under_repair.insert(task.clone(), Repair { incident, remedy, open: HashSet::new() });
        self.carry_on_repair(task)
    }

    /// A child of a task has ended, which may be what a remedy waits for.
    pub(super) fn repaired(&mut self, task: &TaskId, child: &TaskId) -> Result<(), Halt> {
        let Some(repair) = self.under_repair.get_mut(task) else { return Ok(()) };
        match repair.open.remove(child) && repair.open.is_empty() {
            true => self.carry_on_repair(task),
            false => Ok(()),
        }
    }

    fn carry_on_repair(&mut self, task: &TaskId) -> Result<(), Halt> {
        let Some(repair) = self.under_repair.get(task) else { return Ok(()) };
        let (incident, remedy) = (repair.incident.clone(), repair.remedy);
        let next = match remedy {
            Remedy::Compensate => self.compensate(task, &incident),
            Remedy::Split => self.split(task, &incident),
        };
        match next {
            Ok(Step::Wait(children)) => {
                if let Some(repair) = self.under_repair.get_mut(task) {
                    repair.open = children;
                }
                Ok(())
            }
            Ok(Step::AskAgain) => {
                self.under_repair.remove(task);
                self.hold_slot(task)?;
                self.recover(task, incident, Vec::new())
            }
            Ok(Step::Done(output)) => {
                self.under_repair.remove(task);
                self.apply(task, TaskEvent::Complete, Some(output))
            }
            Err(Obstacle::NoHelp(reason)) => {
                self.under_repair.remove(task);
                self.hold_slot(task)?;
                self.decided(task, Verdict::Escalate(reason), None)
            }
            Err(Obstacle::Halt(halt)) => Err(halt),
        }
    }

    /// Being decided on takes a slot, which is given back with the decision.
    fn hold_slot(&mut self, task: &TaskId) -> Result<(), Halt> {
        let agent = self.book.facts(task)?.agent.clone();
        self.slots.take(&agent);
        Ok(())
    }

    fn compensate(&mut self, task: &TaskId, incident: &Incident) -> Result<Step, Obstacle> {
        let undo = helper(task, &format!("_undo-{}", incident.attempt.number))?;
        match self.shared.board.status(&undo) {
            Some(ChildStatus::Completed(_)) => Ok(Step::AskAgain),
            Some(status) if status.has_ended() => Err(Obstacle::NoHelp(format!(
                "what attempt {} did could not be compensated: `{undo}` {}; what it did stands",
                incident.attempt.number,
                ended(&status)
            ))),
            Some(_) => Ok(Step::Wait(HashSet::from([undo]))),
            None => {
                let workflow = self.workflow.clone();
                let spec = workflow.tasks.get(&self.book.facts(task)?.name).and_then(|spec| spec.compensate.as_ref());
                let spec = spec.ok_or_else(|| Obstacle::NoHelp("the workflow does not say how".to_owned()))?;
                // What a child did is taken back with what its parent knows.
                let root = TaskId::new(task.root()).map_err(|error| Halt::Defect(error.to_string()))?;
                let scope = self.outputs.scope(self.book.facts(&root)?.item());
                let evaluated = spec.with.evaluate(&scope).and_then(|with| Ok((with, self.input_of(task)?)));
                let (with, input) = evaluated.map_err(unknown("what compensates it"))?;
                let mut with = object(with);
                let Incident { attempt, problem, .. } = incident;
                let failed = json!({
                    "task": task, "attempt": attempt.number, "input": input, "class": problem.class,
                    "message": problem.message, "evidence": problem.evidence,
                });
                with.insert("failed".to_owned(), failed);
                self.ask_for(&incident.attempt, vec![child(undo, &spec.agent, with.into())])
            }
        }
    }

    fn split(&mut self, task: &TaskId, incident: &Incident) -> Result<Step, Obstacle> {
        let workflow = self.workflow.clone();
        let spec = workflow.tasks.get(&self.book.facts(task)?.name).and_then(|spec| spec.split.as_ref());
        let spec = spec.ok_or_else(|| Obstacle::NoHelp("the workflow does not say how it is split".to_owned()))?;
        let planner = helper(task, &format!("_split-{}", incident.attempt.number))?;
        let output = match self.shared.board.status(&planner) {
            Some(ChildStatus::Completed(output)) => output,
            Some(status) if status.has_ended() => {
                let how = ended(&status);
                return Err(Obstacle::NoHelp(format!("it could not be split: `{planner}` {how}")));
            }
            Some(_) => return Ok(Step::Wait(HashSet::from([planner]))),
            None => {
                let scope = self.outputs.scope(self.book.facts(task)?.item());
                let input = match &spec.with {
                    Some(with) => with.evaluate(&scope),
                    None => self.input_of(task),
                };
                let input = input.map_err(unknown("how it is split"))?;
                return self.ask_for(&incident.attempt, vec![child(planner, &spec.agent, input)]);
            }
        };
        let parts = self.parts(task, incident.attempt.number);
        if parts.is_empty() {
            let input = object(self.input_of(task).map_err(unknown("its input"))?);
            let inputs = pieces(spec, &planner, &output, &input)?;
            let agent = self.book.facts(task)?.agent.clone();
            let mut children = Vec::with_capacity(inputs.len());
            for (index, input) in inputs.into_iter().enumerate() {
                let id = helper(task, &format!("_part-{}-{index}", incident.attempt.number))?;
                children.push(child(id, &agent, input));
            }
            return self.ask_for(&incident.attempt, children);
        }
        let (mut open, mut bad) = (HashSet::new(), Vec::new());
        for part in &parts {
            match self.shared.board.status(part) {
                Some(ChildStatus::Completed(_) | ChildStatus::Skipped) => {}
                Some(status) if status.has_ended() => bad.push((part, ended(&status))),
                _ => {
                    open.insert(part.clone());
                }
            }
        }
        match bad.first() {
            _ if !open.is_empty() => Ok(Step::Wait(open)),
            None => Ok(Step::Done(self.output_of(&parts))),
            Some((part, how)) => {
                let (bad, all) = (bad.len(), parts.len());
                Err(Obstacle::NoHelp(format!("{bad} of its {all} pieces are not done; `{part}` {how}")))
            }
        }
    }

    /// The pieces that a task was split into after this attempt.
    fn parts(&self, task: &TaskId, attempt: u32) -> Vec<TaskId> {
        let all = self.book.children(task).into_iter();
        all.filter(|child| part_of(task, child) == Some(attempt)).cloned().collect()
    }

    /// What a task puts out that was done as pieces, the newest where it was split more than once.
    pub(super) fn output_of_parts(&self, task: &TaskId) -> Value {
        let newest = self.book.children(task).into_iter().filter_map(|child| part_of(task, child)).max();
        self.output_of(&newest.map(|attempt| self.parts(task, attempt)).unwrap_or_default())
    }

    /// What these pieces come to: `{"parts": […]}`.
    fn output_of(&self, parts: &[TaskId]) -> Value {
        let parts = parts.iter().map(|part| match self.shared.board.status(part) {
            Some(ChildStatus::Completed(output)) => Value::clone(&output),
            _ => Value::Null,
        });
        json!({ "parts": parts.collect::<Vec<_>>() })
    }

    /// What a task of the workflow is given.
    fn input_of(&mut self, task: &TaskId) -> Result<Value, EvaluationError> {
        let workflow = self.workflow.clone();
        let Ok(facts) = self.book.facts(task) else { return Ok(json!({})) };
        if let Some(input) = facts.child_input() {
            return Ok(input);
        }
        let scope = self.outputs.scope(facts.item());
        workflow.tasks.get(&facts.name).map_or(Ok(json!({})), |spec| spec.with.evaluate(&scope))
    }

    /// Makes tasks that the host itself asks for part of the run; what comes next is their end.
    fn ask_for(&mut self, attempt: &AttemptId, spawned: Vec<ChildTask>) -> Result<Step, Obstacle> {
        let wait = Step::Wait(spawned.iter().map(|child| child.task.clone()).collect());
        let outbox = Outbox { spawned, ..Outbox::default() };
        self.shared.ledger.attempt(attempt, Entry::Published(outbox.clone())).map_err(Halt::from)?;
        self.shared.board.enter(&outbox);
        self.published(outbox)?;
        Ok(wait)
    }
}

/// What comes next.
enum Step {
    /// The end of these.
    Wait(HashSet<TaskId>),
    /// The chain is asked again.
    AskAgain,
    /// The task is done, with this output.
    Done(Value),
}

fn helper(task: &TaskId, name: &str) -> Result<TaskId, Obstacle> {
    let child = Name::new(name).and_then(|name| task.child(&name));
    child.map_err(|error| Obstacle::NoHelp(error.to_string()))
}

/// Something that cannot be worked out.
fn unknown(what: &'static str) -> impl FnOnce(EvaluationError) -> Obstacle {
    move |error| Obstacle::NoHelp(format!("{what} cannot be worked out: {error}"))
}

/// The attempt after which `task` was split into this child and others; none where it is no piece.
fn part_of(task: &TaskId, child: &TaskId) -> Option<u32> {
    let (attempt, _) = child.as_str().strip_prefix(task.as_str())?.strip_prefix("._part-")?.split_once('-')?;
    attempt.parse().ok()
}

fn child(task: TaskId, agent: &Name, input: Value) -> ChildTask {
    ChildTask { task, agent: agent.clone(), or: Vec::new(), input, needs: Vec::new(), priority: 0 }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The inputs of the pieces that a planner put out.
fn pieces(
    spec: &SplitSpec,
    planner: &TaskId,
    output: &Value,
    input: &Map<String, Value>,
) -> Result<Vec<Value>, Obstacle> {
    let SplitSpec { pieces: list, field, .. } = spec;
    let wrong =
        |what: String| Err(Obstacle::NoHelp(format!("it could not be split: {what} in the output of `{planner}`")));
    let Some(Value::Array(pieces)) = output.get(list) else { return wrong(format!("there is no list `{list}`")) };
    if pieces.is_empty() {
        return wrong(format!("the list `{list}` is empty"));
    }
    if pieces.len() > MAX_CHILDREN {
        return wrong(format!("the list `{list}` has {} pieces, more than {MAX_CHILDREN},", pieces.len()));
    }
    let mut inputs = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let mut input = input.clone();
        match (field, piece) {
            (Some(field), piece) => drop(input.insert(field.clone(), piece.clone())),
            (None, Value::Object(fields)) => input.extend(fields.clone()),
            (None, _) => return wrong(format!("a piece of `{list}` is not an object, and `split` has no `as`,")),
        }
        inputs.push(Value::Object(input));
    }
    Ok(inputs)
}

fn ended(status: &ChildStatus) -> String {
    match status {
        ChildStatus::Failed(reason) => format!("failed: {reason}"),
        ChildStatus::Skipped => "was skipped".to_owned(),
        _ => "was cancelled".to_owned(),
    }
}
