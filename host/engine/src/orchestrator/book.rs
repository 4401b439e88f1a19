//! What is known of each task: where it stands in the graph, what it used, what happened to it.
//!
//! The graph owns the states. Every change of one goes through here, so that the record has all of them.

use super::facts::Facts;
use crate::error::Halt;
use crate::history::TaskHistory;
use crate::ledger::Ledger;
use crate::mail::Mail;
use crate::questions::Forum;
use crate::report::TaskRow;
use crate::shared::Shared;
use longhaul_core::agents::Agents;
use longhaul_core::children::ChildTask;
use longhaul_core::counts::TaskCounts;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::graph::{Graph, Next, TaskChange};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::state::{TaskEvent, TaskState};
use longhaul_core::workflow::model::Workflow;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// All tasks of a run.
pub(crate) struct Book {
    ledger: Arc<Ledger>,
    /// Is told which tasks can be written to.
    mail: Arc<Mail>,
    forum: Arc<Forum>,
    graph: Graph,
    facts: HashMap<TaskId, Facts>,
    /// What the record says of each task, while a resumed run is brought to where it was; what happens then is in the
    /// record already.
    known: Option<HashMap<TaskId, TaskHistory>>,
    /// Tasks that the record knows and the graph does not: elements that were planned of a task that had not become them yet,
    /// and what the run went back behind. Where they come to be, they count on.
    to_come: HashMap<TaskId, TaskHistory>,
    /// Names of tasks that a person let go on after their deadline.
    excused: BTreeSet<Name>,
}

impl Book {
    /// The tasks of a workflow, each recorded as planned.
    pub(crate) fn new(workflow: &Workflow, graph: Graph, shared: &Shared) -> Result<Self, Halt> {
        Self::of(workflow, graph, shared, None, HashMap::new())
    }

    /// The tasks of a workflow of which the record knows some already. Ends with [`Book::settle`].
    pub(crate) fn restoring(
        workflow: &Workflow,
        graph: Graph,
        shared: &Shared,
        known: HashMap<TaskId, TaskHistory>,
        gone: HashMap<TaskId, TaskHistory>,
    ) -> Result<Self, Halt> {
        Self::of(workflow, graph, shared, Some(known), gone)
    }

    fn of(
        workflow: &Workflow,
        graph: Graph,
        shared: &Shared,
        known: Option<HashMap<TaskId, TaskHistory>>,
        gone: HashMap<TaskId, TaskHistory>,
    ) -> Result<Self, Halt> {
        let facts = HashMap::with_capacity(workflow.tasks.len());
        let all = known.iter().flatten().chain(&gone);
        let excused =
            all.filter(|(_, history)| history.excuses_all()).filter_map(|(task, _)| Name::new(task.name()).ok());
        let excused = excused.collect();
        let (ledger, mail, forum) = (shared.ledger.clone(), shared.mail.clone(), shared.forum.clone());
        let mut book = Self { ledger, mail, forum, graph, facts, known, to_come: gone, excused };
        for (name, spec) in &workflow.tasks {
            let task = TaskId::single(name);
            // What is done element by element has nobody who could read.
            if spec.for_each.is_none() {
                book.mail.open(&task);
            }
            book.enter(task, name, &spec.agents, None)?;
        }
        Ok(book)
    }

    /// The task that goes first of those of whose agents `admits` admits one.
    pub(super) fn next(&mut self, admits: impl FnMut(&Agents) -> bool) -> Option<Next> {
        self.graph.next(admits)
    }

    /// Offers a task again that was given by [`Book::next`] and not begun.
    pub(super) fn put_back(&mut self, task: &TaskId) -> Result<(), Halt> {
        Ok(self.graph.put_back(task)?)
    }

    /// Takes a task through `event`; gives all changes that follow.
    pub(super) fn apply(&mut self, task: &TaskId, event: TaskEvent) -> Result<Vec<TaskChange>, Halt> {
        let changes = self.graph.apply(task, event)?;
        self.record(&changes)?;
        Ok(changes)
    }

    /// Makes `items` the elements of a task.
    pub(super) fn expand(&mut self, task: &TaskId, items: Vec<Value>) -> Result<Vec<TaskChange>, Halt> {
        let changes = self.graph.expand(task, items.len())?;
        let Facts { name, agents, .. } = self.facts(task)?;
        let (name, agents) = (name.clone(), agents.clone());
        for (index, item) in items.into_iter().enumerate() {
            let task = TaskId::element(&name, index);
            self.mail.open(&task);
            self.enter(task, &name, &agents, Some((item, index)))?;
        }
        self.record(&changes)?;
        Ok(changes)
    }

    /// Adds a task that another one asked for; gives all changes that follow.
    pub(super) fn spawn(&mut self, child: ChildTask) -> Result<Vec<TaskChange>, Halt> {
        let changes = self.graph.spawn(&child)?;
        let ChildTask { task, agent, or, input, .. } = child;
        let name = Name::new(task.name()).map_err(|error| Halt::Defect(error.to_string()))?;
        self.mail.open(&task);
        self.enter(task.clone(), &name, &Agents::any(agent, or), None)?;
        self.facts(&task)?.child = Some(input);
        self.record(&changes)?;
        Ok(changes)
    }

    /// The tasks that a task asked for.
    pub(super) fn children(&self, task: &TaskId) -> Vec<&TaskId> {
        self.graph.children(task)
    }

    /// How the tasks depend on each other.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where a task stands.
    pub(super) fn state(&self, task: &TaskId) -> Option<TaskState> {
        self.graph.state(task)
    }

    /// How many elements a task was expanded into.
    pub(super) fn elements(&self, task: &TaskId) -> usize {
        self.graph.elements(task).len()
    }

    /// What the record says of a task, while the run is restored.
    pub(super) fn known(&self, task: &TaskId) -> Option<&TaskHistory> {
        self.known.as_ref().and_then(|known| known.get(task))
    }

    /// From now on everything that happens is recorded; first what followed from the record's last entries and was lost
    /// with its tail. Gives what the record says of the tasks that have not ended.
    pub(super) fn settle(&mut self) -> Result<Vec<(TaskId, TaskHistory)>, Halt> {
        let mut known = self.known.take().unwrap_or_default();
        let mut open = Vec::new();
        for (task, state) in self.graph.tasks() {
            let Some(history) = known.remove(task) else { continue };
            if history.state != state {
                self.ledger.task(task, Entry::TaskChanged { from: history.state, to: state })?;
            }
            let goes_on = matches!(state, TaskState::Running | TaskState::Waiting | TaskState::Failing);
            // One that was woken and had not begun again is pending, and in the middle of its try.
            if goes_on || state == TaskState::Escalated || history.wait.is_some() {
                open.push((task.clone(), history));
            }
        }
        self.to_come.extend(known);
        self.mail.settle_down();
        // A task that was expanded goes as its elements do.
        open.retain(|(task, _)| self.graph.elements(task).is_empty());
        Ok(open)
    }

    /// Who may take a task next.
    pub(super) fn agents(&self, task: &TaskId) -> Result<Agents, Halt> {
        let agents = self.graph.agents(task).cloned();
        agents.ok_or_else(|| Halt::Defect(format!("nothing is known of the task `{task}`")))
    }

    /// What is begun goes on with the agent that began it.
    pub(super) fn keep_agent(&mut self, task: &TaskId) -> Result<(), Halt> {
        let agent = self.facts(task)?.agent.clone();
        Ok(self.graph.assign(task, agent.into())?)
    }

    /// A try is over: the next one may be anybody's, but for what only the last agent can read.
    pub(super) fn open_to_all(&mut self, task: &TaskId) -> Result<(), Halt> {
        let facts = self.facts(task)?;
        let agents = if facts.handed.is_some() { facts.agent.clone().into() } else { facts.agents.clone() };
        Ok(self.graph.assign(task, agents)?)
    }

    /// What is known of a task.
    pub(super) fn facts(&mut self, task: &TaskId) -> Result<&mut Facts, Halt> {
        self.facts.get_mut(task).ok_or_else(|| Halt::Defect(format!("nothing is known of the task `{task}`")))
    }

    /// Whether a person let a task be tried after its deadline: it, one that it comes from, or others of its name.
    pub(super) fn is_excused(&self, task: &TaskId) -> bool {
        let of = |task: &TaskId| self.facts.get(task).is_some_and(|facts| facts.excused);
        let name = self.facts.get(task).map(|facts| &facts.name);
        let is_any = name.is_some_and(|name| self.excused.contains(name));
        is_any || std::iter::successors(Some(task.clone()), TaskId::parent).any(|task| of(&task))
    }

    /// The versions that attempts work on which were suspended or cut short.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Digest> {
        let open = self.graph.tasks().filter(|(_, state)| !state.is_final());
        open.filter_map(|(task, _)| self.facts.get(task)?.waits_on)
    }

    /// All tasks with their states.
    pub(super) fn states(&self) -> impl Iterator<Item = (&TaskId, TaskState)> {
        self.graph.tasks()
    }

    /// Whether all tasks have ended.
    pub(super) fn is_done(&self) -> bool {
        self.graph.is_done()
    }

    /// Cancels what has not ended.
    pub(super) fn cancel_open(&mut self) -> Result<(), Halt> {
        // Elements first: a task that was expanded goes as they go.
        let is_element = |book: &Self, task: &TaskId| book.facts.get(task).is_some_and(|facts| facts.element.is_some());
        let (elements, others): (Vec<_>, Vec<_>) = self.open().partition(|task| is_element(self, task));
        for task in elements.iter().chain(&others) {
            // Cancelling one may have ended others.
            if self.graph.state(task).is_some_and(|state| !state.is_final()) {
                self.apply(task, TaskEvent::Cancel)?;
            }
        }
        Ok(())
    }

    /// The tasks that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = TaskId> {
        self.graph.tasks().filter(|(_, state)| !state.is_final()).map(|(task, _)| task.clone())
    }

    /// The tasks as they are reported.
    pub(super) fn report(mut self) -> (TaskCounts, Vec<TaskRow>) {
        let mut counts = TaskCounts::default();
        let mut rows = Vec::new();
        for (task, state) in self.graph.tasks() {
            counts.add(state);
            let Some(facts) = self.facts.remove(task) else { continue };
            rows.push(TaskRow {
                task: task.clone(),
                agent: facts.agent,
                state,
                attempts: facts.used.attempts,
                fuel: facts.used.usage.fuel,
                tokens: facts.used.usage.tokens,
                money: facts.used.usage.money,
                memory: facts.used.usage.memory,
                time: facts.used.usage.time,
                problem: facts.used.problem,
                reused: facts.reused,
            });
        }
        (counts, rows)
    }

    fn enter(
        &mut self,
        task: TaskId,
        name: &Name,
        agents: &Agents,
        element: Option<(Value, usize)>,
    ) -> Result<(), Halt> {
        let (facts, is_planned) = match self.known(&task) {
            Some(history) => (Facts::known(name, agents, element, history), history.is_planned),
            None => match self.to_come.remove(&task) {
                Some(history) => {
                    let agent = agents.first().clone();
                    let facts = Facts { agent, ..Facts::known(name, agents, element, &history) };
                    (facts, history.is_planned)
                }
                None => (Facts::new(name, agents, element), false),
            },
        };
        if !is_planned {
            let needs = self.graph.needs(&task).into_iter().cloned().collect();
            let (agent, or) = (agents.first().clone(), agents.others().to_vec());
            self.ledger.task(&task, Entry::TaskPlanned { needs, agent, or })?;
        }
        self.facts.insert(task, facts);
        Ok(())
    }

    fn record(&mut self, changes: &[TaskChange]) -> Result<(), Halt> {
        for TaskChange { task, from, to } in changes {
            // A person may let a task go on that has escalated, and it needs all that it had.
            if to.is_final()
                && *to != TaskState::Escalated
                && let Some(facts) = self.facts.get_mut(task)
            {
                facts.let_go();
                self.mail.end(task);
                self.forum.forget(task);
            }
            if self.known.is_some() {
                continue;
            }
            if *to == TaskState::Failing {
                self.forum.forget(task);
            }
            let position = self.ledger.task(task, Entry::TaskChanged { from: *from, to: *to })?;
            if *to == TaskState::Running
                && let Some(facts) = self.facts.get_mut(task)
            {
                facts.began = position;
            }
        }
        Ok(())
    }
}
