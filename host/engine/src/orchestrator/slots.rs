//! How many tasks run at a time: in the run, by agent, and by model.
//!
//! A task holds a slot from its start until it has ended or its failure is decided on, so that what is under way is bounded
//! by the slots. Agents that work with one model share that model's slots.

use longhaul_core::agents::Agents;
use longhaul_core::id::Name;
use longhaul_core::workflow::model::Workflow;
use std::collections::BTreeMap;

/// The slots of a run.
#[derive(Debug)]
pub(super) struct Slots {
    all: Taken,
    agents: BTreeMap<Name, AgentSlots>,
    /// Those of models that have a limit.
    models: BTreeMap<String, Taken>,
}

#[derive(Debug)]
struct AgentSlots {
    own: Taken,
    /// The model, where that has a limit.
    model: Option<String>,
}

/// How many slots are taken, of how many. A resumed run may hold more for a moment, while it finds out what goes on.
#[derive(Debug)]
struct Taken {
    now: u32,
    max: u32,
}

impl Slots {
    pub(super) fn new(workflow: &Workflow) -> Self {
        // A bound of nothing would be a run that never ends.
        let of = |max: u32| Taken { now: 0, max: max.max(1) };
        let concurrency = &workflow.concurrency;
        let agents = workflow.agents.iter().map(|(name, spec)| {
            let model = spec.model.clone().filter(|model| concurrency.models.contains_key(model));
            (name.clone(), AgentSlots { own: of(spec.max.unwrap_or(u32::MAX)), model })
        });
        let models = concurrency.models.iter().map(|(name, max)| (name.clone(), of(*max)));
        Self { all: of(concurrency.max), agents: agents.collect(), models: models.collect() }
    }

    /// Whether the run has room for another task.
    pub(super) fn any(&self) -> bool {
        self.all.has_room()
    }

    /// Whether one of `agents` has room for another task.
    pub(super) fn admit(&self, agents: &Agents) -> bool {
        agents.iter().any(|agent| self.has_room(agent))
    }

    /// The one of `agents` that does the next task: it has room, and the fewest tasks under way.
    pub(super) fn choose(&self, agents: &Agents) -> Option<Name> {
        let free = agents.iter().filter(|agent| self.has_room(agent));
        // The first of several that have as few.
        free.min_by_key(|agent| self.agents.get(*agent).map_or(0, |slots| slots.own.now)).cloned()
    }

    /// Takes a slot of `agent`. What a resumed run goes on with takes one in any case.
    pub(super) fn take(&mut self, agent: &Name) {
        self.change(agent, |taken| taken.now += 1);
    }

    /// Gives a slot of `agent` back.
    pub(super) fn release(&mut self, agent: &Name) {
        self.change(agent, |taken| taken.now = taken.now.saturating_sub(1));
    }

    fn change(&mut self, agent: &Name, change: impl Fn(&mut Taken)) {
        change(&mut self.all);
        let Some(slots) = self.agents.get_mut(agent) else { return };
        change(&mut slots.own);
        if let Some(model) = slots.model.as_ref().and_then(|model| self.models.get_mut(model)) {
            change(model);
        }
    }

    fn has_room(&self, agent: &Name) -> bool {
        let Some(slots) = self.agents.get(agent) else { return false };
        let model = slots.model.as_ref().and_then(|model| self.models.get(model));
        slots.own.has_room() && model.is_none_or(Taken::has_room)
    }
}

impl Taken {
    fn has_room(&self) -> bool {
        self.now < self.max
    }
}
