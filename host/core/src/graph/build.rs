//! From a list of tasks to a graph: names become indices, what cannot be drained is refused, and each task learns how
//! long the way from it to the end is.

use super::ready::{Rank, Turn};
use super::{Graph, GraphError, Kind, Node};
use crate::agents::Agents;
use crate::id::{Name, TaskId};
use crate::state::TaskState;
use crate::workflow::model::Workflow;
use std::collections::HashMap;

/// A task as the graph sees it.
#[derive(Debug, Clone)]
pub struct GraphTask {
    /// Its name.
    pub name: Name,
    /// Who may work on it.
    pub agents: Agents,
    /// The tasks that have to end well first.
    pub needs: Vec<Name>,
    /// Higher goes first.
    pub priority: i32,
    /// Whether it has `for_each`.
    pub expands: bool,
}

impl Graph {
    /// The graph of a workflow.
    ///
    /// # Errors
    /// As [`Graph::build`]; a workflow that was parsed gives none.
    pub fn new(workflow: &Workflow) -> Result<Self, GraphError> {
        Self::build(workflow.tasks.iter().map(|(name, task)| GraphTask {
            name: name.clone(),
            agents: task.agents.clone(),
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
                agents: task.agents,
                kind: if task.expands { Kind::Unexpanded } else { Kind::Single },
                state: TaskState::Pending,
                unmet: needs.len(),
                needs,
                dependants: Vec::new(),
                heirs: Vec::new(),
                children: Vec::new(),
                turn: Turn::new(Rank::new(task.priority, paths[i], i)),
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
