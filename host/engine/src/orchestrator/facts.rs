//! What is known of one task beside its state in the graph.

use crate::executor::Ended;
use crate::history::TaskHistory;
use crate::transcript::Script;
use longhaul_core::agents::Agents;
use longhaul_core::attempt::Usage;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{Past, Problem};
use serde_json::Value;
/// What is known of a task beside its state.
pub(super) struct Facts {
    /// Its name in the workflow.
    pub(super) name: Name,
    /// Who works on it, or did last.
    pub(super) agent: Name,
    /// Who may work on it.
    pub(super) agents: Agents,
    /// The element that it is done for, with its number.
    pub(super) element: Option<(Value, usize)>,
    /// The attempt whose output it took.
    pub(super) reused: Option<AttemptId>,
    /// The input of a task that another one asked for.
    pub(super) child: Option<Value>,
    /// The number of its next attempt.
    pub(super) next: u32,
    /// Tries made.
    pub(super) tries: u32,
    /// Where the record says that its try began.
    pub(super) began: Position,
    /// Where its try began that was cut short or suspended, and is to be done again up to there.
    pub(super) suspended: Option<Script>,
    /// The version that a suspended attempt works on.
    pub(super) waits_on: Option<Digest>,
    /// What the last instance handed over to the next.
    pub(super) handed: Option<Value>,
    /// Who has to accept the next try.
    pub(super) validator: Option<Name>,
    /// Whether a person let it be tried after its deadline.
    pub(super) excused: bool,
    pub(super) history: Vec<Past>,
    pub(super) used: Used,
}

/// What the attempts of a task came to.
#[derive(Default)]
pub(super) struct Used {
    pub(super) attempts: u32,
    pub(super) usage: Usage,
    pub(super) problem: Option<Problem>,
}

impl Facts {
    pub(super) fn new(name: &Name, agents: &Agents, element: Option<(Value, usize)>) -> Self {
        Self {
            name: name.clone(),
            agent: agents.first().clone(),
            agents: agents.clone(),
            element,
            reused: None,
            child: None,
            next: 1,
            tries: 0,
            began: Position(0),
            suspended: None,
            waits_on: None,
            handed: None,
            validator: None,
            excused: false,
            history: Vec::new(),
            used: Used::default(),
        }
    }

    /// What the record knows of a task.
    pub(super) fn known(name: &Name, agents: &Agents, element: Option<(Value, usize)>, history: &TaskHistory) -> Self {
        Self {
            name: name.clone(),
            agent: history.agent.clone(),
            agents: history.given_to.clone().map_or_else(|| agents.clone(), Agents::only),
            element,
            reused: history.reused.clone(),
            child: None,
            next: history.next,
            tries: history.tries,
            began: history.began.map_or(Position(0), |(position, _)| position),
            suspended: None,
            waits_on: history.works_on(),
            handed: history.handed.clone(),
            validator: history.validator.clone(),
            excused: history.excused,
            history: history.past.clone(),
            used: Used { attempts: history.attempts, usage: history.usage, problem: history.problem.clone() },
        }
    }

    /// It is this agent's from now on.
    pub(super) fn give_to(&mut self, agent: Name) {
        self.agents = agent.clone().into();
        self.agent = agent;
        // Another agent cannot read what this one handed to itself.
        self.handed = None;
    }

    /// The name of an attempt that fails before it can begin.
    pub(super) fn take_number(&mut self, task: &TaskId) -> AttemptId {
        let number = self.next;
        self.next = number.saturating_add(1);
        AttemptId { task: task.clone(), number }
    }

    /// Takes note of what a try used.
    pub(super) fn used(&mut self, ended: &Ended) {
        self.next = ended.next;
        let Used { attempts, usage, .. } = &mut self.used;
        *attempts = attempts.saturating_add(ended.attempts);
        usage.fuel += ended.usage.fuel;
        usage.tokens += ended.usage.tokens;
        usage.money += ended.usage.money;
        usage.memory = usage.memory.max(ended.usage.memory);
        usage.time = usage.time.saturating_add(ended.usage.time);
    }

    /// What failed before counts no more, and no deadline either: a person has seen to it.
    pub(super) fn forgive(&mut self) {
        self.tries = 0;
        self.history = Vec::new();
        self.excused = true;
    }

    /// Takes note of what went wrong.
    pub(super) fn failed(&mut self, problem: &Problem) {
        self.waits_on = None;
        self.tries = self.tries.saturating_add(1);
        self.used.problem = Some(problem.clone());
    }

    /// The element that the task is done for, with its number.
    pub(super) fn item(&self) -> Option<(&Value, usize)> {
        self.element.as_ref().map(|(item, index)| (item, *index))
    }

    /// The input of a task that another one asked for; none for a task of the workflow.
    pub(super) fn child_input(&self) -> Option<Value> {
        self.child.clone()
    }

    /// What went wrong last, in words.
    pub(super) fn problem(&self) -> String {
        self.used.problem.as_ref().map(|problem| problem.message.clone()).unwrap_or_default()
    }

    /// Forgets what only another try would need.
    pub(super) fn let_go(&mut self) {
        self.handed = None;
        self.waits_on = None;
        self.history = Vec::new();
        self.child = self.child.take().map(|_| Value::Null);
        if let Some((item, _)) = &mut self.element {
            *item = Value::Null;
        }
    }
}
