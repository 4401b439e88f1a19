//! How many tasks run at a time: in the run, and by agent.
//!
//! A task holds a slot from its start until it has ended or its failure is decided on, so that what is under way is bounded
//! by the slots. A task that was reassigned to a busy agent is parked beside that agent and offered again when it has room.

use longhaul_core::id::{Name, TaskId};
use longhaul_core::workflow::model::Workflow;
use std::collections::{BTreeMap, VecDeque};

/// The slots of a run.
#[derive(Debug)]
pub(super) struct Slots {
    free: u32,
    agents: BTreeMap<Name, AgentSlots>,
}

#[derive(Debug)]
struct AgentSlots {
    free: u32,
    parked: VecDeque<TaskId>,
}

impl Slots {
    pub(super) fn new(workflow: &Workflow) -> Self {
        // A bound of nothing would be a run that never ends.
        let free = workflow.concurrency.max.max(1);
        let agents = workflow.agents.iter().map(|(name, spec)| {
            let own = spec.max.unwrap_or(free).clamp(1, free);
            (name.clone(), AgentSlots { free: own, parked: VecDeque::new() })
        });
        Self { free, agents: agents.collect() }
    }

    /// Whether the run has room for another task.
    pub(super) fn any(&self) -> bool {
        self.free > 0
    }

    /// Whether `agent` has room for another task.
    pub(super) fn admit(&self, agent: &Name) -> bool {
        self.agents.get(agent).is_some_and(|slots| slots.free > 0)
    }

    /// Takes a slot for `task` of `agent`; parks the task where the agent is busy.
    pub(super) fn take(&mut self, agent: &Name, task: &TaskId) -> bool {
        let Some(slots) = self.agents.get_mut(agent) else { return false };
        if self.free == 0 || slots.free == 0 {
            slots.parked.push_back(task.clone());
            return false;
        }
        self.free -= 1;
        slots.free -= 1;
        true
    }

    /// Takes the slot of a task that held one before the run was resumed.
    pub(super) fn take_back(&mut self, agent: &Name) {
        self.free = self.free.saturating_sub(1);
        if let Some(slots) = self.agents.get_mut(agent) {
            slots.free = slots.free.saturating_sub(1);
        }
    }

    /// Gives a slot of `agent` back; the task that was parked longest is to be offered again.
    #[must_use]
    pub(super) fn release(&mut self, agent: &Name) -> Option<TaskId> {
        self.free += 1;
        let slots = self.agents.get_mut(agent)?;
        slots.free += 1;
        slots.parked.pop_front()
    }
}
