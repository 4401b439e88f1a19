//! What is ready, and what of it goes first.
//!
//! A [`Queue`] has a heap for each agent, and for each list of agents that may do the same tasks, so that the tasks of a busy agent are passed over at once. Nothing is taken out of
//! the middle of a heap: a node that is no longer ready only ends its [`Turn`], and the entry that spoke for it is dropped
//! when it comes to the top.

use crate::agents::Agents;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What goes first: priority, then the longest way to the end, then the order of the file, then the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    priority: i32,
    path: u32,
    order: Reverse<usize>,
    element: Reverse<usize>,
}

/// A node's place in the queue, kept by the node.
#[derive(Debug)]
pub(super) struct Turn {
    rank: Rank,
    /// Which entry of the heap speaks for this node; an older one is void.
    ticket: u32,
    /// Whether that entry is in the heap.
    queued: bool,
}

/// The nodes that are ready, by agent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heaps: BTreeMap<Agents, BinaryHeap<Ready>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    rank: Rank,
    node: usize,
    ticket: u32,
}

impl Rank {
    /// The rank of the task that is number `order` in the file, with `path` tasks on the longest way to the end.
    pub(super) fn new(priority: i32, path: u32, order: usize) -> Self {
        Self { priority, path, order: Reverse(order), element: Reverse(0) }
    }

    /// The rank of an element of the task's `for_each`.
    pub(super) fn of_element(self, element: usize) -> Self {
        Self { element: Reverse(element), ..self }
    }

    /// The rank of child number `child` of a task of this rank, with a priority among all tasks.
    pub(super) fn of_child(self, priority: i32, child: usize) -> Self {
        Self { priority, element: Reverse(child), ..self }
    }
}

impl Turn {
    /// Not ready yet.
    pub(super) fn new(rank: Rank) -> Self {
        Self { rank, ticket: 0, queued: false }
    }

    pub(super) fn rank(&self) -> Rank {
        self.rank
    }

    /// Whether the node is ready.
    pub(super) fn is_queued(&self) -> bool {
        self.queued
    }

    /// The node is not ready any more; its entry is void.
    pub(super) fn end(&mut self) {
        self.queued = false;
    }

    fn is_spoken_for_by(&self, entry: &Ready) -> bool {
        self.queued && self.ticket == entry.ticket
    }
}

impl Queue {
    /// Makes a node ready; nothing is done where it is already.
    pub(super) fn push(&mut self, agents: &Agents, node: usize, turn: &mut Turn) {
        if turn.queued {
            return;
        }
        turn.queued = true;
        turn.ticket = turn.ticket.wrapping_add(1);
        let entry = Ready { rank: turn.rank, node, ticket: turn.ticket };
        self.heaps.entry(agents.clone()).or_default().push(entry);
    }

    /// The node that goes first among those of whose agents `admits` admits one. It stays ready until its turn is ended.
    pub(super) fn first<'a>(
        &mut self,
        turn_of: impl Fn(usize) -> &'a Turn,
        mut admits: impl FnMut(&Agents) -> bool,
    ) -> Option<usize> {
        let mut best: Option<(Rank, usize)> = None;
        for (agents, heap) in &mut self.heaps {
            while heap.peek().is_some_and(|top| !turn_of(top.node).is_spoken_for_by(top)) {
                heap.pop();
            }
            let Some(top) = heap.peek() else { continue };
            if best.is_none_or(|(rank, _)| top.rank > rank) && admits(agents) {
                best = Some((top.rank, top.node));
            }
        }
        best.map(|(_, node)| node)
    }
}
