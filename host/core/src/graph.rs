//! The task graph of a run: which task may start now, and which one first.
//!
//! A [`Graph`] is pure state. The scheduler asks it for the next task ([`Graph::next`]), tells it what happened
//! ([`Graph::apply`], [`Graph::expand`]), and gets back what changed because of it, to be recorded. Rebuilding it from the
//! record is doing the same again.
//!
//! ```text
//!   needs all ended well ──► ready ──next──► taken ──┬─ apply(start) ─ … ─ apply(complete) ──► those who need it
//!                                                    ├─ apply(skip) ─────────────────────────► those who need it
//!                                                    └─ expand(n) ─► n elements, ready at once
//! ```
//!
//! A task with `for_each` is one node that is expanded when its needs have ended: it then *runs* while its elements do,
//! and ends when the last of them has: completed when all were completed or skipped, else as the worst of them
//! (escalated, then failed, then cancelled). Those who need it wait for all elements; its output is
//! [`gathered`](crate::workflow::expr::TaskResult::gathered) from theirs. An empty list completes at once.
//!
//! A task that another one *spawned*, its child, is a node of its own. Those who need the parent wait for its children too. Where a
//! child does not end well while its parent is still open, that is the parent's business, who sees it; otherwise it is as
//! if the parent had failed. When a parent ends in any other way than well, its open children are cancelled with it.
//!
//! When a task fails or is cancelled, all that wait for it can never start and are cancelled with it. Those that wait for
//! an *escalated* task stay pending: a person decides, and may let it be tried again.
//!
//! Each update costs what it changes: counts of unmet needs, one heap of ready tasks for each agent or list of agents, no scan of all tasks.
//!
//! This file is what can be asked of a graph and told to it. `build` makes one from a list of tasks, `ready` says which
//! task goes first, `children` adds tasks that others spawn, `settle` carries on what the end of a task means for others, and `stuck` finds deadlocks.

mod build;
mod children;
mod error;
mod ready;
mod settle;
mod stuck;

pub use build::{GraphTask, find_cycle};
pub use error::GraphError;
pub use stuck::Awaits;

use crate::agents::Agents;
use crate::id::{Name, TaskId};
use crate::state::{TaskEvent, TaskState};
use ready::{Queue, Turn};
use std::collections::HashMap;

/// What is to be done with the task that [`Graph::next`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Start or skip it.
    Run(TaskId),
    /// Evaluate its `for_each`, then expand or skip it.
    Expand(TaskId),
}

impl Next {
    /// The task.
    pub fn task(&self) -> &TaskId {
        match self {
            Next::Run(task) | Next::Expand(task) => task,
        }
    }
}

/// A task went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChange {
    /// The task.
    pub task: TaskId,
    /// The state before.
    pub from: TaskState,
    /// The state now.
    pub to: TaskState,
}

/// How many tasks are in which state. Elements of a `for_each` and the task itself count each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not started.
    pub pending: usize,
    /// Being worked on, suspended, or failing.
    pub running: usize,
    /// Completed.
    pub completed: usize,
    /// Skipped.
    pub skipped: usize,
    /// Given up.
    pub failed: usize,
    /// Handed to a person.
    pub escalated: usize,
    /// Cancelled.
    pub cancelled: usize,
}

/// The task graph of a run, see the module.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_id: HashMap<TaskId, usize>,
    ready: Queue,
    counts: Counts,
}

#[derive(Debug)]
struct Node {
    id: TaskId,
    name: Name,
    /// Who may take it next.
    agents: Agents,
    kind: Kind,
    state: TaskState,
    /// Needs that have not ended well yet.
    unmet: usize,
    needs: Vec<usize>,
    dependants: Vec<usize>,
    /// Those who need the task that this one is a child of.
    heirs: Vec<usize>,
    children: Vec<usize>,
    turn: Turn,
}

#[derive(Debug)]
enum Kind {
    Single,
    /// A task with `for_each` that is not expanded yet.
    Unexpanded,
    /// An expanded task.
    Parent {
        elements: Vec<usize>,
        open: usize,
        worst: TaskState,
    },
    Element {
        parent: usize,
    },
    /// A task that another one spawned.
    Child {
        parent: usize,
    },
}

impl Graph {
    /// Takes the first ready task of whose agents `admits` admits one. The caller starts, skips or expands it, or puts it back.
    pub fn next(&mut self, admits: impl FnMut(&Agents) -> bool) -> Option<Next> {
        let first = self.ready.first(|index| &self.nodes[index].turn, admits)?;
        let node = &mut self.nodes[first];
        node.turn.end();
        Some(match node.kind {
            Kind::Unexpanded => Next::Expand(node.id.clone()),
            _ => Next::Run(node.id.clone()),
        })
    }

    /// Makes a task ready again that was taken and not started.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn put_back(&mut self, task: &TaskId) -> Result<(), GraphError> {
        let index = self.find(task)?;
        self.enqueue(index);
        Ok(())
    }

    /// Tells that something happened to a task. Gives all changes of state that follow, this task's own first.
    ///
    /// # Errors
    /// [`GraphError`] where the task does not exist, or does not allow the event; nothing is changed then.
    pub fn apply(&mut self, task: &TaskId, event: TaskEvent) -> Result<Vec<TaskChange>, GraphError> {
        let index = self.find(task)?;
        let node = &self.nodes[index];
        match (&node.kind, event) {
            (Kind::Parent { .. }, _) => return Err(GraphError::Expanded(task.clone())),
            (Kind::Unexpanded, TaskEvent::Start | TaskEvent::Complete) => {
                return Err(GraphError::NotExpandable(task.clone()));
            }
            _ => {}
        }
        let to = node.state.after(event).map_err(|source| GraphError::Illegal { task: task.clone(), source })?;
        let was_final = node.state.is_final();
        let mut changes = Vec::new();
        self.set(index, to, &mut changes);
        if was_final && !to.is_final() {
            self.reopen(index, &mut changes);
        }
        self.settle(index, &mut changes);
        Ok(changes)
    }

    /// Expands a task with `for_each` into `count` elements, which are ready at once. Gives all changes of state.
    ///
    /// # Errors
    /// [`GraphError`] where the task does not exist or cannot be expanded now; nothing is changed then.
    pub fn expand(&mut self, task: &TaskId, count: usize) -> Result<Vec<TaskChange>, GraphError> {
        let index = self.find(task)?;
        let parent = &self.nodes[index];
        if !matches!(parent.kind, Kind::Unexpanded) || parent.state != TaskState::Pending || parent.unmet > 0 {
            return Err(GraphError::NotExpandable(task.clone()));
        }
        let (name, agents, rank) = (parent.name.clone(), parent.agents.clone(), parent.turn.rank());
        let mut changes = Vec::new();
        self.set(index, TaskState::Running, &mut changes);
        let mut elements = Vec::with_capacity(count);
        for i in 0..count {
            let element = self.add(Node {
                id: TaskId::element(&name, i),
                name: name.clone(),
                agents: agents.clone(),
                kind: Kind::Element { parent: index },
                state: TaskState::Pending,
                unmet: 0,
                needs: Vec::new(),
                dependants: Vec::new(),
                heirs: Vec::new(),
                children: Vec::new(),
                turn: Turn::new(rank.of_element(i)),
            });
            self.enqueue(element);
            elements.push(element);
        }
        self.nodes[index].kind = Kind::Parent { elements, open: count, worst: TaskState::Completed };
        if count == 0 {
            self.set(index, TaskState::Completed, &mut changes);
            self.settle(index, &mut changes);
        }
        Ok(changes)
    }

    /// Where a task stands; none where it does not exist.
    pub fn state(&self, task: &TaskId) -> Option<TaskState> {
        self.by_id.get(task).map(|i| self.nodes[*i].state)
    }

    /// Who may take a task next.
    pub fn agents(&self, task: &TaskId) -> Option<&Agents> {
        self.by_id.get(task).map(|i| &self.nodes[*i].agents)
    }

    /// From now on these may take a task.
    ///
    /// # Errors
    /// [`GraphError::UnknownTask`].
    pub fn assign(&mut self, task: &TaskId, agents: Agents) -> Result<(), GraphError> {
        let index = self.find(task)?;
        let node = &mut self.nodes[index];
        if node.agents != agents {
            node.agents = agents;
            // The entry in the queue of the others is void now.
            if node.turn.is_queued() {
                node.turn.end();
                self.enqueue(index);
            }
        }
        Ok(())
    }

    /// What a task waits for; elements of a `for_each` wait for nothing of their own.
    pub fn needs(&self, task: &TaskId) -> Vec<&TaskId> {
        let Some(index) = self.by_id.get(task) else { return Vec::new() };
        self.nodes[*index].needs.iter().map(|need| &self.nodes[*need].id).collect()
    }

    /// The elements of an expanded task, in order.
    pub fn elements(&self, task: &TaskId) -> Vec<&TaskId> {
        match self.by_id.get(task).map(|index| &self.nodes[*index].kind) {
            Some(Kind::Parent { elements, .. }) => elements.iter().map(|i| &self.nodes[*i].id).collect(),
            _ => Vec::new(),
        }
    }

    /// All tasks with their states, in the order in which they came to be.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskId, TaskState)> {
        self.nodes.iter().map(|node| (&node.id, node.state))
    }

    /// How many tasks are in which state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether all tasks have ended.
    pub fn is_done(&self) -> bool {
        self.counts.pending + self.counts.running == 0
    }

    fn find(&self, task: &TaskId) -> Result<usize, GraphError> {
        self.by_id.get(task).copied().ok_or_else(|| GraphError::UnknownTask(task.clone()))
    }

    fn add(&mut self, node: Node) -> usize {
        let index = self.nodes.len();
        self.by_id.insert(node.id.clone(), index);
        self.counts.pending += 1;
        self.nodes.push(node);
        index
    }

    /// Makes a node ready, if it can start.
    fn enqueue(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.state == TaskState::Pending && node.unmet == 0 {
            self.ready.push(&node.agents, index, &mut node.turn);
        }
    }
}

impl Counts {
    fn of(&mut self, state: TaskState) -> &mut usize {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running | TaskState::Waiting | TaskState::Failing => &mut self.running,
            TaskState::Completed => &mut self.completed,
            TaskState::Skipped => &mut self.skipped,
            TaskState::Failed => &mut self.failed,
            TaskState::Escalated => &mut self.escalated,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

#[cfg(test)]
mod tests;
