//! The outputs of tasks, for the expressions of tasks that need them.
//!
//! An output is kept only while something that has not ended can mention it, so that a long run does not gather what
//! nobody will read; and what is kept has its bounds, see [`room`](crate::room). How each task ended is kept to the end.

use crate::room::{Room, weight};
use longhaul_core::id::Name;
use longhaul_core::state::TaskState;
use longhaul_core::workflow::expr::{Expression, Scope, TaskResult};
use longhaul_core::workflow::model::{TaskSpec, Workflow};
use longhaul_core::workflow::path::Root;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What expressions see of the run.
#[derive(Debug)]
pub(crate) struct Outputs {
    inputs: Map<String, Value>,
    /// Facts about the run.
    run: Value,
    results: BTreeMap<Name, TaskResult>,
    /// The outputs of the elements of tasks that have not ended.
    elements: BTreeMap<Name, Vec<Value>>,
    /// The tasks that each task mentions.
    mentions: BTreeMap<Name, BTreeSet<Name>>,
    /// What is kept of each task, and all of it.
    weights: BTreeMap<Name, u64>,
    room: Arc<Room>,
    /// How many tasks that have not ended mention this one; `done_when` counts as one that never ends.
    readers: BTreeMap<Name, usize>,
}

impl Outputs {
    pub(crate) fn new(workflow: &Workflow, inputs: Map<String, Value>, run: Value, room: Arc<Room>) -> Self {
        let mentions: BTreeMap<_, _> =
            workflow.tasks.iter().map(|(name, spec)| (name.clone(), mentioned(spec))).collect();
        let mut readers = BTreeMap::new();
        let at_the_end = workflow.done_when.iter().flat_map(tasks_of).collect::<BTreeSet<_>>();
        for name in mentions.values().chain([&at_the_end]).flatten() {
            *readers.entry(name.clone()).or_default() += 1;
        }
        Self {
            inputs,
            run,
            results: BTreeMap::new(),
            elements: BTreeMap::new(),
            mentions,
            weights: BTreeMap::new(),
            room,
            readers,
        }
    }

    /// What an expression sees, with the element of a `for_each` where there is one.
    pub(super) fn scope<'a>(&'a self, item: Option<(&'a Value, usize)>) -> Scope<'a> {
        Scope { inputs: &self.inputs, tasks: &self.results, item, run: &self.run }
    }

    /// A task goes on as this many elements.
    pub(super) fn expand(&mut self, name: &Name, elements: usize) {
        self.elements.insert(name.clone(), vec![Value::Null; elements]);
    }

    /// Whether a task goes on as elements that have not all ended.
    pub(super) fn is_expanded(&self, name: &Name) -> bool {
        self.elements.contains_key(name)
    }

    /// An element has an output.
    pub(super) fn element(&mut self, name: &Name, index: usize, output: Value) {
        if !self.is_read(name) {
            return;
        }
        let weight = weight(&output);
        if let Some(slot) = self.elements.get_mut(name).and_then(|outputs| outputs.get_mut(index)) {
            *slot = output;
            self.keep(name, weight);
        }
    }

    /// A task that goes as its elements go has ended.
    pub(super) fn gather(&mut self, name: &Name, status: TaskState) {
        let outputs = self.elements.remove(name).unwrap_or_default();
        self.put(name, TaskResult::gathered(status, outputs));
    }

    /// A task has ended, with this output.
    pub(super) fn end(&mut self, name: &Name, status: TaskState, output: Value) {
        if self.is_read(name) {
            self.keep(name, weight(&output));
        }
        self.put(name, TaskResult { status, output });
    }

    fn put(&mut self, name: &Name, mut result: TaskResult) {
        if !self.is_read(name) {
            result.output = json!({});
            self.let_go(name);
        }
        self.results.insert(name.clone(), result);
        for mentioned in self.mentions.remove(name).into_iter().flatten() {
            let left = self.readers.get_mut(&mentioned).map(|readers| {
                *readers = readers.saturating_sub(1);
                *readers
            });
            if left == Some(0)
                && let Some(result) = self.results.get_mut(&mentioned)
            {
                result.output = json!({});
                self.let_go(&mentioned);
            }
        }
    }

    fn keep(&mut self, name: &Name, weight: u64) {
        self.room.take(weight);
        *self.weights.entry(name.clone()).or_default() += weight;
    }

    fn let_go(&mut self, name: &Name) {
        self.room.give_back(self.weights.remove(name).unwrap_or_default());
    }

    /// Whether something that has not ended can mention the output of a task.
    pub(super) fn is_read(&self, name: &Name) -> bool {
        self.readers.get(name).is_some_and(|readers| *readers > 0)
    }
}

/// The tasks that a task's expressions mention.
fn mentioned(spec: &TaskSpec) -> BTreeSet<Name> {
    let compensation = spec.compensate.as_ref().map(|spec| &spec.with);
    let split = spec.split.as_ref().and_then(|spec| spec.with.as_ref());
    let templates = [Some(&spec.with), spec.for_each.as_ref(), compensation, split].into_iter().flatten();
    let within = templates.flat_map(|template| template.expressions()).map(|(_, expression)| expression);
    within.chain(&spec.condition).flat_map(tasks_of).collect()
}

fn tasks_of(expression: &Expression) -> Vec<Name> {
    let named = expression.paths().iter().filter_map(|path| match &path.root {
        Root::Task(name) => Some(name.clone()),
        _ => None,
    });
    named.collect()
}
