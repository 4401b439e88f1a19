//! Tasks that others spawn: how they join the graph.

use super::ready::Turn;
use super::{Graph, GraphError, Kind, Node, TaskChange};
use crate::agents::Agents;
use crate::children::ChildTask;
use crate::id::TaskId;
use crate::state::TaskState;

impl Graph {
    /// Adds a child of a task that is under way. `needs` are children of the same task.
    ///
    /// # Errors
    /// [`GraphError`] where it exists already, or its parent or a need does not; nothing is changed then.
    pub fn spawn(&mut self, child: &ChildTask) -> Result<Vec<TaskChange>, GraphError> {
        let unknown = || GraphError::UnknownTask(child.task.clone());
        let parent = self.find(&child.task.parent().ok_or_else(unknown)?)?;
        if self.by_id.contains_key(&child.task) {
            return Err(GraphError::NotOpen(child.task.clone()));
        }
        if self.nodes[parent].state.is_final() {
            return Err(GraphError::NotOpen(self.nodes[parent].id.clone()));
        }
        let needs = child.needs.iter().map(|need| self.find(need)).collect::<Result<Vec<_>, _>>()?;
        let heirs = match self.nodes[parent].kind {
            Kind::Element { parent } => self.nodes[parent].dependants.clone(),
            Kind::Child { .. } => {
                self.nodes[parent].heirs.iter().chain(&self.nodes[parent].dependants).copied().collect()
            }
            _ => self.nodes[parent].dependants.clone(),
        };
        let owner = &self.nodes[parent];
        let rank = owner.turn.rank().of_child(child.priority, owner.children.len());
        let open: Vec<usize> = needs.iter().copied().filter(|need| !self.nodes[*need].state.satisfies()).collect();
        let index = self.add(Node {
            id: child.task.clone(),
            name: owner.name.clone(),
            agents: Agents::any(child.agent.clone(), child.or.iter().cloned()),
            kind: Kind::Child { parent },
            state: TaskState::Pending,
            unmet: open.len(),
            needs,
            dependants: Vec::new(),
            heirs: heirs.clone(),
            children: Vec::new(),
            turn: Turn::new(rank),
        });
        self.nodes[parent].children.push(index);
        for heir in heirs {
            self.nodes[heir].unmet += 1;
        }
        let mut changes = Vec::new();
        for need in open {
            self.nodes[need].dependants.push(index);
            // One that ended otherwise will not end well any more.
            if matches!(self.nodes[need].state, TaskState::Failed | TaskState::Cancelled)
                && self.nodes[index].state == TaskState::Pending
            {
                self.set(index, TaskState::Cancelled, &mut changes);
                self.settle(index, &mut changes);
            }
        }
        // What is needed is not done before its own children are.
        let mut above = self.nodes[index].needs.clone();
        while let Some(need) = above.pop() {
            for child in self.nodes[need].children.clone() {
                if !self.nodes[child].state.is_final() {
                    self.nodes[child].heirs.push(index);
                    self.nodes[index].unmet += 1;
                }
                above.push(child);
            }
        }
        self.enqueue(index);
        Ok(changes)
    }

    /// The children of a task, in the order in which they were asked for.
    pub fn children(&self, task: &TaskId) -> Vec<&TaskId> {
        let Some(index) = self.by_id.get(task) else { return Vec::new() };
        self.nodes[*index].children.iter().map(|child| &self.nodes[*child].id).collect()
    }
}
