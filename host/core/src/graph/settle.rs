//! What a task's new state means for others: those who need it become ready or are cancelled, and a `for_each` ends with
//! its last element. The rules are in the documentation of [`graph`](super).

use super::{Graph, Kind, TaskChange};
use crate::state::TaskState;

impl Graph {
    /// Changes a node's state and the counts, and nothing else.
    pub(super) fn set(&mut self, index: usize, to: TaskState, changes: &mut Vec<TaskChange>) {
        let node = &mut self.nodes[index];
        let from = std::mem::replace(&mut node.state, to);
        node.turn.end();
        *self.counts.of(from) -= 1;
        *self.counts.of(to) += 1;
        changes.push(TaskChange { task: node.id.clone(), from, to });
    }

    /// Carries on what a node's new state means for others. A list of open work instead of recursion: chains are long.
    pub(super) fn settle(&mut self, index: usize, changes: &mut Vec<TaskChange>) {
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
            if state != TaskState::Completed && state != TaskState::Escalated {
                for child in self.nodes[index].children.clone() {
                    if !self.nodes[child].state.is_final() {
                        self.set(child, TaskState::Cancelled, changes);
                        open.push(child);
                    }
                }
            }
            if let Kind::Element { parent } = self.nodes[index].kind {
                if let Some(end) = self.element_ended(parent, state) {
                    self.set(parent, end, changes);
                    open.push(parent);
                }
                continue;
            }
            if state.satisfies() || self.is_seen_to(index) && state != TaskState::Escalated {
                let heirs = std::mem::take(&mut self.nodes[index].heirs);
                self.go_on(heirs);
            }
            match state {
                _ if state.satisfies() => {
                    let dependants = std::mem::take(&mut self.nodes[index].dependants);
                    self.go_on(dependants);
                }
                TaskState::Failed | TaskState::Cancelled => {
                    let heirs = std::mem::take(&mut self.nodes[index].heirs);
                    for dependant in std::mem::take(&mut self.nodes[index].dependants).into_iter().chain(heirs) {
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

    /// Whether a task that a child comes from, however far up, can do something about what comes of it.
    fn is_seen_to(&self, mut index: usize) -> bool {
        use TaskState::{Cancelled, Completed, Failed};
        while let Kind::Child { parent } = self.nodes[index].kind {
            if !matches!(self.nodes[parent].state, Completed | Failed | Cancelled) {
                return true;
            }
            index = parent;
        }
        false
    }

    /// One of what these wait for has ended well.
    fn go_on(&mut self, waiting: Vec<usize>) {
        for dependant in waiting {
            self.nodes[dependant].unmet = self.nodes[dependant].unmet.saturating_sub(1);
            self.enqueue(dependant);
        }
    }

    /// An element that had ended has not ended after all, so the whole has not either.
    pub(super) fn reopen(&mut self, index: usize, changes: &mut Vec<TaskChange>) {
        let Kind::Element { parent } = self.nodes[index].kind else { return };
        let Kind::Parent { elements, .. } = &self.nodes[parent].kind else { return };
        let states = elements.iter().map(|element| self.nodes[*element].state).filter(|state| state.is_final());
        let worst_left = states.max_by_key(|state| badness(*state)).unwrap_or(TaskState::Completed);
        if let Kind::Parent { open, worst, .. } = &mut self.nodes[parent].kind {
            *open += 1;
            *worst = if badness(worst_left) == 0 { TaskState::Completed } else { worst_left };
        }
        if self.nodes[parent].state.is_final() {
            self.set(parent, TaskState::Running, changes);
        }
    }

    /// Counts an element that ended; gives the state of the whole when it was the last.
    fn element_ended(&mut self, parent: usize, state: TaskState) -> Option<TaskState> {
        let Kind::Parent { open, worst, .. } = &mut self.nodes[parent].kind else { return None };
        if badness(state) > badness(*worst) {
            *worst = state;
        }
        *open = open.saturating_sub(1);
        (*open == 0).then_some(*worst)
    }
}

/// The end of a `for_each` is the worst of its elements'.
fn badness(state: TaskState) -> u8 {
    match state {
        TaskState::Escalated => 3,
        TaskState::Failed => 2,
        TaskState::Cancelled => 1,
        _ => 0,
    }
}
