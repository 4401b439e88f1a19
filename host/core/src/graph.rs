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
//! When a task fails or is cancelled, all that wait for it can never start and are cancelled with it. Those that wait for
//! an *escalated* task stay pending: a person decides.
//!
//! Each update costs what it changes: counts of unmet needs, one heap of ready tasks for each agent, no scan of all tasks.

use crate::id::{Name, TaskId};
use crate::state::{IllegalTransition, TaskEvent, TaskState};
use crate::workflow::model::Workflow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// A task as the graph sees it.
#[derive(Debug, Clone)]
pub struct GraphTask {
    /// Its name.
    pub name: Name,
    /// Who works on it.
    pub agent: Name,
    /// The tasks that have to end well first.
    pub needs: Vec<Name>,
    /// Higher goes first.
    pub priority: i32,
    /// Whether it has `for_each`.
    pub expands: bool,
}

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
    /// Being worked on, or failing.
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

/// What cannot be done with a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A task needs one that does not exist.
    #[error("the task `{task}` needs `{need}`, which does not exist")]
    UnknownNeed {
        /// The task.
        task: Name,
        /// What it needs.
        need: Name,
    },
    /// Two tasks have one name.
    #[error("there are two tasks `{0}`")]
    Duplicate(Name),
    /// Tasks wait for each other.
    #[error("these tasks wait for each other: {}", show_cycle(.0))]
    Cycle(Vec<Name>),
    /// A task does not exist.
    #[error("there is no task `{0}` in this run")]
    UnknownTask(TaskId),
    /// A task is not one that can be expanded now.
    #[error("the task `{0}` cannot be expanded: it has no `for_each`, or is not waiting for it")]
    NotExpandable(TaskId),
    /// A task is expanded, so it ends with its elements.
    #[error("the task `{0}` is expanded, so it goes as its elements do")]
    Expanded(TaskId),
    /// The event does not fit the task's state.
    #[error("the task `{task}` cannot go on: {source}")]
    Illegal {
        /// The task.
        task: TaskId,
        /// Why.
        source: IllegalTransition,
    },
}

fn show_cycle(names: &[Name]) -> String {
    names.iter().chain(names.first()).map(Name::as_str).collect::<Vec<_>>().join(" → ")
}

/// The task graph of a run, see the module.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_id: HashMap<TaskId, usize>,
    ready: BTreeMap<Name, BinaryHeap<Ready>>,
    counts: Counts,
}

#[derive(Debug)]
struct Node {
    id: TaskId,
    name: Name,
    agent: Name,
    kind: Kind,
    state: TaskState,
    /// Needs that have not ended well yet.
    unmet: usize,
    needs: Vec<usize>,
    dependants: Vec<usize>,
    rank: Rank,
    /// Which entry of the heap speaks for this node; an older one is void.
    ticket: u32,
    /// Whether that entry is in the heap.
    queued: bool,
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
}

/// What goes first: priority, then the longest way to the end, then the order of the file, then the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: i32,
    path: u32,
    order: Reverse<usize>,
    element: Reverse<usize>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    rank: Rank,
    node: usize,
    ticket: u32,
}

impl Graph {
    /// The graph of a workflow.
    ///
    /// # Errors
    /// As [`Graph::build`]; a workflow that was parsed gives none.
    pub fn new(workflow: &Workflow) -> Result<Self, GraphError> {
        Self::build(workflow.tasks.iter().map(|(name, task)| GraphTask {
            name: name.clone(),
            agent: task.agent.clone(),
            needs: task.needs.clone(),
            priority: task.priority,
            expands: task.for_each.is_some(),
        }))
    }

    /// A graph of tasks.
    ///
    /// # Errors
    /// [`GraphError`] where a name is double or missing, or tasks wait for each other.
    pub fn build(tasks: impl IntoIterator<Item = GraphTask>) -> Result<Self, GraphError> {
        let tasks: Vec<GraphTask> = tasks.into_iter().collect();
        let mut index = HashMap::with_capacity(tasks.len());
        for (i, task) in tasks.iter().enumerate() {
            if index.insert(task.name.clone(), i).is_some() {
                return Err(GraphError::Duplicate(task.name.clone()));
            }
        }
        let mut needs = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let mut of_task = Vec::with_capacity(task.needs.len());
            for need in &task.needs {
                let unknown = || GraphError::UnknownNeed { task: task.name.clone(), need: need.clone() };
                let need = *index.get(need).ok_or_else(unknown)?;
                if !of_task.contains(&need) {
                    of_task.push(need);
                }
            }
            needs.push(of_task);
        }
        if let Some(cycle) = find_cycle(&needs) {
            return Err(GraphError::Cycle(cycle.into_iter().map(|i| tasks[i].name.clone()).collect()));
        }
        let paths = longest_paths(&needs);
        let mut graph = Graph::default();
        for (i, (task, needs)) in tasks.into_iter().zip(needs).enumerate() {
            graph.add(Node {
                id: TaskId::single(&task.name),
                name: task.name,
                agent: task.agent,
                kind: if task.expands { Kind::Unexpanded } else { Kind::Single },
                state: TaskState::Pending,
                unmet: needs.len(),
                needs,
                dependants: Vec::new(),
                rank: Rank { priority: task.priority, path: paths[i], order: Reverse(i), element: Reverse(0) },
                ticket: 0,
                queued: false,
            });
        }
        for i in 0..graph.nodes.len() {
            for need in graph.nodes[i].needs.clone() {
                graph.nodes[need].dependants.push(i);
            }
            graph.enqueue(i);
        }
        Ok(graph)
    }

    fn add(&mut self, node: Node) -> usize {
        let index = self.nodes.len();
        self.by_id.insert(node.id.clone(), index);
        self.counts.pending += 1;
        self.nodes.push(node);
        index
    }

    /// Takes the first ready task whose agent `admits`. The caller starts, skips or expands it, or puts it back.
    pub fn next(&mut self, mut admits: impl FnMut(&Name) -> bool) -> Option<Next> {
        let mut best: Option<(Rank, usize)> = None;
        for (agent, heap) in &mut self.ready {
            while heap.peek().is_some_and(|top| {
                let node = &self.nodes[top.node];
                !node.queued || node.ticket != top.ticket
            }) {
                heap.pop();
            }
            let Some(top) = heap.peek() else { continue };
            if best.is_none_or(|(rank, _)| top.rank > rank) && admits(agent) {
                best = Some((top.rank, top.node));
            }
        }
        let node = &mut self.nodes[best?.1];
        node.queued = false;
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
        let mut changes = Vec::new();
        self.set(index, to, &mut changes);
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
        let (name, agent, rank) = (parent.name.clone(), parent.agent.clone(), parent.rank);
        let mut changes = Vec::new();
        self.set(index, TaskState::Running, &mut changes);
        let mut elements = Vec::with_capacity(count);
        for i in 0..count {
            let element = self.add(Node {
                id: TaskId::element(&name, i),
                name: name.clone(),
                agent: agent.clone(),
                kind: Kind::Element { parent: index },
                state: TaskState::Pending,
                unmet: 0,
                needs: Vec::new(),
                dependants: Vec::new(),
                rank: Rank { element: Reverse(i), ..rank },
                ticket: 0,
                queued: false,
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

    /// The name of a task's agent.
    pub fn agent(&self, task: &TaskId) -> Option<&Name> {
        self.by_id.get(task).map(|i| &self.nodes[*i].agent)
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

    /// Puts a node into the heap of its agent, if it can start.
    fn enqueue(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.state != TaskState::Pending || node.unmet > 0 || node.queued {
            return;
        }
        node.queued = true;
        node.ticket = node.ticket.wrapping_add(1);
        let entry = Ready { rank: node.rank, node: index, ticket: node.ticket };
        self.ready.entry(node.agent.clone()).or_default().push(entry);
    }

    /// Changes a node's state and the counts, and nothing else.
    fn set(&mut self, index: usize, to: TaskState, changes: &mut Vec<TaskChange>) {
        let node = &mut self.nodes[index];
        let from = std::mem::replace(&mut node.state, to);
        node.queued = false;
        *self.counts.of(from) -= 1;
        *self.counts.of(to) += 1;
        changes.push(TaskChange { task: node.id.clone(), from, to });
    }

    /// Carries on what a node's new state means for others. A list of open work instead of recursion: chains are long.
    fn settle(&mut self, index: usize, changes: &mut Vec<TaskChange>) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            let state = self.nodes[index].state;
            if state == TaskState::Pending {
                self.enqueue(index);
                continue;
            }
            if !state.is_final() {
                continue;
            }
            if let Kind::Element { parent } = self.nodes[index].kind {
                if let Some(end) = self.element_ended(parent, state) {
                    self.set(parent, end, changes);
                    open.push(parent);
                }
                continue;
            }
            match state {
                _ if state.satisfies() => {
                    for dependant in std::mem::take(&mut self.nodes[index].dependants) {
                        self.nodes[dependant].unmet = self.nodes[dependant].unmet.saturating_sub(1);
                        self.enqueue(dependant);
                    }
                }
                TaskState::Failed | TaskState::Cancelled => {
                    for dependant in std::mem::take(&mut self.nodes[index].dependants) {
                        if self.nodes[dependant].state == TaskState::Pending {
                            self.set(dependant, TaskState::Cancelled, changes);
                            open.push(dependant);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Counts an element that ended; gives the state of the whole when it was the last.
    fn element_ended(&mut self, parent: usize, state: TaskState) -> Option<TaskState> {
        let badness = |state: TaskState| match state {
            TaskState::Escalated => 3,
            TaskState::Failed => 2,
            TaskState::Cancelled => 1,
            _ => 0,
        };
        let Kind::Parent { open, worst, .. } = &mut self.nodes[parent].kind else { return None };
        if badness(state) > badness(*worst) {
            *worst = state;
        }
        *open = open.saturating_sub(1);
        (*open == 0).then_some(*worst)
    }
}

impl Counts {
    fn of(&mut self, state: TaskState) -> &mut usize {
        match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running | TaskState::Failing => &mut self.running,
            TaskState::Completed => &mut self.completed,
            TaskState::Skipped => &mut self.skipped,
            TaskState::Failed => &mut self.failed,
            TaskState::Escalated => &mut self.escalated,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

/// A cycle among nodes of which each needs others, by index: each one needs the next, and the last one the first.
pub fn find_cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; needs.len()];
    for start in 0..needs.len() {
        // The way from `start`, each node with how many of its needs are looked at.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        while let Some((node, looked)) = way.last_mut() {
            let node = *node;
            let Some(&need) = needs[node].get(*looked) else {
                marks[node] = Mark::Done;
                way.pop();
                continue;
            };
            *looked += 1;
            match marks.get(need) {
                Some(Mark::New) => {
                    marks[need] = Mark::Open;
                    way.push((need, 0));
                }
                Some(Mark::Open) => {
                    let from = way.iter().position(|(node, _)| *node == need).unwrap_or_default();
                    return Some(way[from..].iter().map(|(node, _)| *node).collect());
                }
                _ => {}
            }
        }
    }
    None
}

/// For each node the number of nodes on the longest way from it to an end, itself included. `needs` has no cycle.
fn longest_paths(needs: &[Vec<usize>]) -> Vec<u32> {
    let mut waiting = vec![0_usize; needs.len()];
    for need in needs.iter().flatten() {
        waiting[*need] += 1;
    }
    let mut paths = vec![1_u32; needs.len()];
    let mut open: Vec<usize> = (0..needs.len()).filter(|i| waiting[*i] == 0).collect();
    while let Some(node) = open.pop() {
        for &need in &needs[node] {
            paths[need] = paths[need].max(paths[node].saturating_add(1));
            waiting[need] -= 1;
            if waiting[need] == 0 {
                open.push(need);
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests;
