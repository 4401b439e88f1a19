//! What is known of each task: where it stands in the graph, what it used, what happened to it.
//!
//! The graph owns the states. Every change of one goes through here, so that the record has all of them.

use crate::error::Halt;
use crate::executor::Ended;
use crate::ledger::Ledger;
use crate::report::{TaskCounts, TaskRow};
use longhaul_core::entry::Entry;
use longhaul_core::graph::{Graph, Next, TaskChange};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::incident::{Past, Problem};
use longhaul_core::state::TaskEvent;
use longhaul_core::workflow::model::Workflow;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// All tasks of a run.
pub(crate) struct Book {
    ledger: Arc<Ledger>,
    graph: Graph,
    facts: HashMap<TaskId, Facts>,
}

/// What is known of a task beside its state.
pub(super) struct Facts {
    /// Its name in the workflow.
    pub(super) name: Name,
    /// Who works on it, or will.
    pub(super) agent: Name,
    /// The element that it is done for, with its number.
    pub(super) element: Option<(Value, usize)>,
    /// The number of its next attempt.
    pub(super) next: u32,
    /// Tries made.
    pub(super) tries: u32,
    /// What the last instance handed over to the next.
    pub(super) handed: Option<Value>,
    /// Who has to accept the next try.
    pub(super) validator: Option<Name>,
    pub(super) history: Vec<Past>,
    used: Used,
}

/// What the attempts of a task came to.
#[derive(Default)]
struct Used {
    attempts: u32,
    usage: longhaul_core::attempt::Usage,
    problem: Option<Problem>,
}

impl Book {
    /// The tasks of a workflow, each recorded as planned.
    pub(crate) fn new(workflow: &Workflow, graph: Graph, ledger: Arc<Ledger>) -> Result<Self, Halt> {
        let mut book = Self { ledger, graph, facts: HashMap::with_capacity(workflow.tasks.len()) };
        for (name, spec) in &workflow.tasks {
            book.enter(TaskId::single(name), name, &spec.agent, None)?;
        }
        Ok(book)
    }

    /// The task that goes first of those whose agent `admits`.
    pub(super) fn next(&mut self, admits: impl FnMut(&Name) -> bool) -> Option<Next> {
        self.graph.next(admits)
    }

    /// Offers a task again that was given by [`Book::next`] and not begun.
    pub(super) fn put_back(&mut self, task: &TaskId) -> Result<(), Halt> {
        Ok(self.graph.put_back(task)?)
    }

    /// Takes a task through `event`; gives all changes that follow.
    pub(super) fn apply(&mut self, task: &TaskId, event: TaskEvent) -> Result<Vec<TaskChange>, Halt> {
        let changes = self.graph.apply(task, event)?;
        self.record(&changes)?;
        Ok(changes)
    }

    /// Makes `items` the elements of a task.
    pub(super) fn expand(&mut self, task: &TaskId, items: Vec<Value>) -> Result<Vec<TaskChange>, Halt> {
        let changes = self.graph.expand(task, items.len())?;
        let Facts { name, agent, .. } = self.facts(task)?;
        let (name, agent) = (name.clone(), agent.clone());
        for (index, item) in items.into_iter().enumerate() {
            self.enter(TaskId::element(&name, index), &name, &agent, Some((item, index)))?;
        }
        self.record(&changes)?;
        Ok(changes)
    }

    /// What is known of a task.
    pub(super) fn facts(&mut self, task: &TaskId) -> Result<&mut Facts, Halt> {
        self.facts.get_mut(task).ok_or_else(|| Halt::Defect(format!("nothing is known of the task `{task}`")))
    }

    /// Whether all tasks have ended.
    pub(super) fn is_done(&self) -> bool {
        self.graph.is_done()
    }

    /// Cancels what has not ended.
    pub(super) fn cancel_open(&mut self) -> Result<(), Halt> {
        // Elements first: a task that was expanded goes as they go.
        let is_element = |book: &Self, task: &TaskId| book.facts.get(task).is_some_and(|facts| facts.element.is_some());
        let (elements, others): (Vec<_>, Vec<_>) = self.open().partition(|task| is_element(self, task));
        for task in elements.iter().chain(&others) {
            // Cancelling one may have ended others.
            if self.graph.state(task).is_some_and(|state| !state.is_final()) {
                self.apply(task, TaskEvent::Cancel)?;
            }
        }
        Ok(())
    }

    /// The tasks that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = TaskId> {
        self.graph.tasks().filter(|(_, state)| !state.is_final()).map(|(task, _)| task.clone())
    }

    /// The tasks as they are reported.
    pub(super) fn report(mut self) -> (TaskCounts, Vec<TaskRow>) {
        let mut counts = TaskCounts::default();
        let mut rows = Vec::new();
        for (task, state) in self.graph.tasks() {
            counts.add(state);
            let Some(facts) = self.facts.remove(task) else { continue };
            rows.push(TaskRow {
                task: task.clone(),
                agent: facts.agent,
                state,
                attempts: facts.used.attempts,
                fuel: facts.used.usage.fuel,
                memory: facts.used.usage.memory,
                time: facts.used.usage.time,
                problem: facts.used.problem,
            });
        }
        (counts, rows)
    }

    fn enter(&mut self, task: TaskId, name: &Name, agent: &Name, element: Option<(Value, usize)>) -> Result<(), Halt> {
        let needs = self.graph.needs(&task).into_iter().cloned().collect();
        self.ledger.task(&task, Entry::TaskPlanned { needs, agent: agent.clone() })?;
        let facts = Facts {
            name: name.clone(),
            agent: agent.clone(),
            element,
            next: 1,
            tries: 0,
            handed: None,
            validator: None,
            history: Vec::new(),
            used: Used::default(),
        };
        self.facts.insert(task, facts);
        Ok(())
    }

    fn record(&mut self, changes: &[TaskChange]) -> Result<(), Halt> {
        for TaskChange { task, from, to } in changes {
            if to.is_final()
                && let Some(facts) = self.facts.get_mut(task)
            {
                facts.let_go();
            }
            self.ledger.task(task, Entry::TaskChanged { from: *from, to: *to })?;
        }
        Ok(())
    }
}

impl Facts {
    /// Takes note of what a try used.
    pub(super) fn used(&mut self, ended: &Ended) {
        self.next = ended.next;
        let Used { attempts, usage, .. } = &mut self.used;
        *attempts = attempts.saturating_add(ended.attempts);
        usage.fuel += ended.usage.fuel;
        usage.memory = usage.memory.max(ended.usage.memory);
        usage.time = usage.time.saturating_add(ended.usage.time);
    }

    /// Takes note of what went wrong.
    pub(super) fn failed(&mut self, problem: &Problem) {
        self.tries = self.tries.saturating_add(1);
        self.used.problem = Some(problem.clone());
    }

    /// The element that the task is done for, with its number.
    pub(super) fn item(&self) -> Option<(&Value, usize)> {
        self.element.as_ref().map(|(item, index)| (item, *index))
    }

    /// Forgets what only another try would need.
    fn let_go(&mut self) {
        self.handed = None;
        self.history = Vec::new();
        if let Some((item, _)) = &mut self.element {
            *item = Value::Null;
        }
    }
}
