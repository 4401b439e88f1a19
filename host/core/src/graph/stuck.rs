//! Which suspended tasks nothing will ever bring on: deadlocks over needs, children and messages.
//!
//! All that can end is taken to end, and all that it lets go on with it, until nothing more can: what is left over waits in a circle, or
//! for what is behind one. That is exact for needs and children. Of messages it is known only whether anybody is left who may send any, so a
//! wait for one counts as hopeless when nobody is; no wait that may still end is ever taken for hopeless.
//!
//! It costs a look at each task and need that is open, once.

use super::{Graph, Kind, Node};
use crate::id::{Name, TaskId};
use crate::state::TaskState;
use std::collections::{HashMap, HashSet};

/// What a suspended task can be brought on by; one of it is enough.
#[derive(Debug, Clone, Default)]
pub struct Awaits<'a> {
    /// Whether time or a person does it.
    pub outside: bool,
    /// Whether a message does it.
    pub message: bool,
    /// Whether the end of all of these does it.
    pub children: Option<&'a HashSet<TaskId>>,
}

impl Graph {
    /// The suspended tasks that nothing brings on any more, in the order in which they came to be. `awaits` says what a suspended task waits
    /// for; of which it says nothing, that may be anything. `may_send` says whether a task of this name in the workflow may send messages.
    pub fn stuck<'a>(
        &self,
        awaits: impl Fn(&TaskId) -> Option<Awaits<'a>>,
        may_send: impl Fn(&Name) -> bool,
    ) -> Vec<&TaskId> {
        let mut future = Future::of(self, awaits);
        let mut is_sent_to = false;
        while let Some(index) = future.able.pop() {
            future.ends(index);
            if !is_sent_to && may_send(&self.nodes[index].name) {
                is_sent_to = true;
                for listener in std::mem::take(&mut future.listeners) {
                    future.is_able(listener);
                }
            }
        }
        let left = self.nodes.iter().zip(&future.ends);
        left.filter(|(node, ends)| node.state == TaskState::Waiting && !**ends).map(|(node, _)| &node.id).collect()
    }
}

/// What can still happen in a graph.
struct Future<'g> {
    graph: &'g Graph,
    /// By node: whether it comes to its end.
    ends: Vec<bool>,
    /// By node: how many others have to end first.
    waits_for: Vec<usize>,
    /// Those who wait for the end of a child, by that child.
    parents: HashMap<usize, Vec<usize>>,
    /// Those who wait for a message.
    listeners: Vec<usize>,
    /// Those that end, and of whom it has not been looked at yet what that means for others.
    able: Vec<usize>,
}

impl<'g> Future<'g> {
    fn of<'a>(graph: &'g Graph, awaits: impl Fn(&TaskId) -> Option<Awaits<'a>>) -> Self {
        let count = graph.nodes.len();
        let mut future = Self {
            graph,
            ends: vec![false; count],
            waits_for: vec![0; count],
            parents: HashMap::new(),
            listeners: Vec::new(),
            able: Vec::new(),
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            match (&node.kind, node.state) {
                (Kind::Parent { open, .. }, TaskState::Running) => future.waits_for[index] = *open,
                (_, TaskState::Pending) if node.unmet > 0 => future.waits_for[index] = node.unmet,
                (_, TaskState::Waiting) => match awaits(&node.id) {
                    Some(awaits) => future.suspended(index, &awaits),
                    None => future.is_able(index),
                },
                (_, state) if !state.is_final() => future.is_able(index),
                _ => {}
            }
        }
        future
    }

    fn suspended(&mut self, index: usize, awaits: &Awaits<'_>) {
        if awaits.outside {
            return self.is_able(index);
        }
        if awaits.message {
            self.listeners.push(index);
        }
        for child in awaits.children.into_iter().flatten().filter_map(|child| self.graph.by_id.get(child)) {
            self.parents.entry(*child).or_default().push(index);
            self.waits_for[index] += 1;
        }
    }

    fn is_able(&mut self, index: usize) {
        if !std::mem::replace(&mut self.ends[index], true) {
            self.able.push(index);
        }
    }

    /// What the end of a node means for others.
    fn ends(&mut self, index: usize) {
        let Node { kind, dependants, heirs, .. } = &self.graph.nodes[index];
        let parents = self.parents.remove(&index).unwrap_or_default();
        let group = match kind {
            Kind::Element { parent } => Some(parent),
            _ => None,
        };
        for other in dependants.iter().chain(heirs).chain(&parents).chain(group) {
            match &mut self.waits_for[*other] {
                0 => {}
                1 => self.is_able(*other),
                more => *more -= 1,
            }
        }
    }
}
