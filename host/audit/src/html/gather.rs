//! [`Gathered`]: what a report needs of a record, folded from its entries in their order. Memory grows with the tasks, and everything about each of
//! them is bounded.

mod few;
mod story;
mod work;

pub(super) use few::Few;
pub(super) use story::{Ending, Story};
pub(super) use work::{Groups, Work};

use crate::query::{Deed, Deeds, Outcome, Totals};
use few::kept;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{CheckpointReason, Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident};
use longhaul_core::people::Asked;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::expr::Scope;
use std::collections::{BTreeMap, HashMap};

/// The most tasks that are told apart.
const MAX_TASKS: usize = 20_000;
/// The most incidents that are kept with their evidence.
const MAX_INCIDENTS: usize = 300;
/// The most moments of a run that are kept.
const MAX_MOMENTS: usize = 2_000;

/// What is known of the run itself.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) workflow: String,
    pub(super) file: String,
    pub(super) objective: String,
    pub(super) inputs: Vec<(String, String)>,
    pub(super) base: Digest,
    pub(super) hosts: Vec<String>,
    pub(super) isolation: Vec<String>,
    pub(super) started: Timestamp,
    pub(super) forked: Option<(RunId, u32)>,
}

/// A plugin that took part.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    pub(super) name: Name,
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) digest: Digest,
}

/// Something that happened to the run as a whole.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// What happened to it.
#[derive(Debug, Clone)]
pub(super) enum What {
    Changed(RunState, String),
    Resumed,
    Checkpoint(u32, CheckpointReason),
    RolledBack(u32),
    Applied(u64),
}

/// Refusals of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) grant: String,
    pub(super) times: u64,
    pub(super) position: u64,
}

/// A failed attempt with what was decided about it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) position: u64,
    pub(super) incident: Incident,
    pub(super) decisions: Vec<(Name, Option<Decision>, Option<String>)>,
}

/// What was done outside, of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    pub(super) times: u64,
    pub(super) ended: u64,
    pub(super) failed: u64,
    pub(super) repeatable: bool,
    pub(super) position: u64,
}

/// Effects by what they are: capability, operation, resource.
pub(super) type Effects = Few<(Capability, String, String), Outside, 300>;

/// A record, as a report needs it. Give it every entry in order.
#[derive(Debug, Default)]
pub struct Gathered {
    pub(super) run: Option<Run>,
    pub(super) state: Option<RunState>,
    pub(super) reason: String,
    pub(super) ended: Option<Timestamp>,
    pub(super) last: Timestamp,
    pub(super) entries: u64,
    /// Entries of kinds that this version does not know.
    pub(super) unread: u64,
    pub(super) version: Option<Digest>,
    pub(super) plugins: Vec<Plugin>,
    pub(super) tasks: Vec<Story>,
    pub(super) untold: u64,
    pub(super) moments: Vec<Moment>,
    pub(super) checkpoints: u64,
    /// When the run rested: from the last entry before it was resumed.
    pub(super) rests: Vec<(Timestamp, Timestamp)>,
    pub(super) questions: Vec<(TaskId, Asked)>,
    /// By agent, capability with operation, and resource.
    pub(super) refusals: Few<(String, String, String), Refusal, 300>,
    pub(super) incidents: Vec<Failure>,
    pub(super) further_incidents: u64,
    pub(super) effects: Effects,
    pub(super) agents: BTreeMap<String, Groups>,
    pub(super) totals: Totals,
    deeds: Deeds,
    places: HashMap<TaskId, usize>,
}

impl Gathered {
    /// Takes note of an entry that cannot be read as one of this version.
    pub fn unread(&mut self) {
        self.entries += 1;
        self.unread += 1;
    }

    /// Takes note of an entry.
    pub fn add(&mut self, position: Position, record: &Record) {
        self.entries += 1;
        let before = self.last;
        self.last = self.last.max(record.at);
        self.totals.record(position, record);
        for deed in self.deeds.of(position, record) {
            self.did(&deed);
        }
        let at = record.at;
        match &record.entry {
            Entry::RunStarted { .. } => self.started(record),
            Entry::RunResumed { host, .. } => {
                if let Some(run) = self.run.as_mut().filter(|run| run.hosts.last() != Some(host)) {
                    run.hosts.push(kept(host));
                    run.hosts.truncate(20);
                }
                self.tasks.iter_mut().for_each(|story| story.cut_off(before));
                if at > before && self.rests.len() < MAX_MOMENTS {
                    self.rests.push((before, at));
                }
                self.moment(at, What::Resumed);
            }
            Entry::Forked { from, checkpoint } => {
                self.questions.clear();
                if let Some(run) = &mut self.run {
                    run.forked = Some((from.clone(), *checkpoint));
                }
            }
            Entry::PluginUsed { name, plugin, digest, version } => self.plugins.push(Plugin {
                name: name.clone(),
                kind: plugin.to_string(),
                version: kept(version),
                digest: *digest,
            }),
            Entry::Checkpointed { number, reason, .. } => {
                self.checkpoints += 1;
                self.moment(at, What::Checkpoint(*number, *reason));
            }
            Entry::RolledBack { number, version, tasks, gone, .. } => {
                self.questions.clear();
                self.version = Some(*version);
                self.tasks.iter_mut().for_each(|story| story.cut_off(at));
                for (task, state) in tasks {
                    self.with(Some(task), |story| story.state = *state);
                }
                gone.iter().for_each(|task| self.with(Some(task), |story| story.gone = true));
                self.moment(at, What::RolledBack(*number));
            }
            Entry::RunChanged { to, reason, .. } => {
                self.state = Some(*to);
                self.ended = to.is_final().then_some(at);
                if *to != RunState::Applying || !reason.is_empty() {
                    self.reason.clone_from(reason);
                }
                self.moment(at, What::Changed(*to, kept(reason)));
            }
            Entry::Applied { files, .. } => self.moment(at, What::Applied(*files)),
            Entry::IncidentRaised { incident } => {
                self.with(Some(&incident.attempt.task), |story| story.failed(at));
                if self.incidents.len() < MAX_INCIDENTS {
                    let (position, incident) = (position.0, incident.clone());
                    self.incidents.push(Failure { position, incident, decisions: Vec::new() });
                } else {
                    self.further_incidents += 1;
                }
            }
            Entry::Decided { strategy, decision, error, .. } => self.decided(record, strategy, decision, error),
            Entry::Answered { number, .. } => self.questions.retain(|(_, asked)| asked.number != *number),
            _ => self.of_task(record),
        }
    }

    /// The places of the tasks in the order in which they were planned, each with its elements and those that it asked for behind it.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (at, story) in self.tasks.iter().enumerate() {
            first.entry(story.task.name()).or_insert(at);
        }
        let mut order: Vec<usize> = (0..self.tasks.len()).collect();
        order.sort_by_key(|at| {
            let task = &self.tasks[*at].task;
            (first.get(task.name()).copied(), task.listed())
        });
        order
    }

    /// The tasks in that order.
    pub(super) fn listed(&self) -> Vec<&Story> {
        self.order().into_iter().filter_map(|at| self.tasks.get(at)).collect()
    }

    /// What an entry says of a task.
    fn of_task(&mut self, record: &Record) {
        let (Some(task), at) = (record.task.as_ref(), record.at) else { return };
        let number = record.attempt.unwrap_or_default();
        match &record.entry {
            Entry::TaskPlanned { needs, agent, .. } => self.planned(task, needs, agent),
            Entry::TaskChanged { to, .. } => {
                if to.is_final() || *to == TaskState::Failing {
                    self.questions.retain(|(asker, _)| asker != task);
                }
                self.with(Some(task), |story| {
                    story.state = *to;
                    match to {
                        TaskState::Running => story.waits(false, at),
                        state if state.is_final() => story.cut_off(at),
                        _ => {}
                    }
                });
            }
            Entry::AttemptStarted { agent, judges, .. } => {
                self.with(Some(task), |story| story.begin(number, agent, *judges, at));
            }
            Entry::AttemptSuspended { .. } => self.with(Some(task), |story| story.waits(true, at)),
            Entry::AttemptEnded { result, usage } => {
                self.with(Some(task), |story| story.end(number, result, usage, at));
            }
            Entry::Reused { from, .. } => self.with(Some(task), |story| story.reused = Some(from.clone())),
            Entry::Published(outbox) => {
                self.questions.extend(outbox.asked.iter().map(|asked| (task.clone(), asked.clone())));
                self.with(Some(task), |story| story.work.published(outbox));
            }
            Entry::Committed { version, changes, published, .. } => {
                self.version = Some(*version);
                self.with(Some(task), |story| {
                    changes.iter().for_each(|change| story.work.changes(change.path.as_str(), change.change));
                    story.work.published(published);
                });
            }
            Entry::Intended(intent) => {
                let key = (intent.capability, kept(&intent.operation), kept(&intent.resource));
                if let Some(outside) = self.effects.of(key).filter(|_| intent.repeats == 0) {
                    outside.times += 1;
                    outside.repeatable = intent.idempotent;
                    outside.position = self.entries - 1;
                }
            }
            Entry::Action(action) if action.exchange.is_some() => {
                let key = (action.capability, kept(&action.operation), kept(&action.resource));
                if let Some(outside) = self.effects.kept.get_mut(&key) {
                    outside.ended += 1;
                    outside.failed += u64::from(action.result != longhaul_core::action::ActionResult::Ok);
                }
            }
            _ => {}
        }
    }

    fn started(&mut self, record: &Record) {
        let Entry::RunStarted { run, workflow, file, source, base, host, isolation, inputs, .. } = &record.entry else {
            return;
        };
        self.version = Some(*base);
        self.state = Some(RunState::Running);
        let parsed = longhaul_core::workflow::parse::parse(file, source).ok();
        let objective = parsed.and_then(|workflow| {
            let (tasks, facts) = (BTreeMap::new(), serde_json::json!({}));
            let scope = Scope { inputs, tasks: &tasks, item: None, run: &facts };
            Some(workflow.objective.evaluate(&scope).ok()?.as_str().unwrap_or_default().to_owned())
        });
        self.run = Some(Run {
            id: run.clone(),
            workflow: kept(workflow),
            file: kept(file),
            objective: objective.unwrap_or_default(),
            inputs: inputs.iter().take(50).map(|(name, value)| (kept(name), kept(&value.to_string()))).collect(),
            base: *base,
            hosts: vec![kept(host)],
            isolation: isolation.iter().take(20).map(|wall| kept(wall)).collect(),
            started: record.at,
            forked: None,
        });
    }

    fn planned(&mut self, task: &TaskId, needs: &[TaskId], agent: &Name) {
        if !self.places.contains_key(task) {
            if self.tasks.len() >= MAX_TASKS {
                self.untold += 1;
                return;
            }
            self.places.insert(task.clone(), self.tasks.len());
            self.tasks.push(Story::new(task.clone(), agent.clone()));
        }
        self.with(Some(task), |story| {
            story.gone = false;
            story.needs = needs.to_vec();
        });
    }

    fn decided(&mut self, record: &Record, by: &Name, decision: &Option<Decision>, error: &Option<String>) {
        let of_task = |failure: &&mut Failure| Some(&failure.incident.attempt.task) == record.task.as_ref();
        if let Some(failure) = self.incidents.iter_mut().rev().find(of_task).filter(|one| one.decisions.len() < 20) {
            failure.decisions.push((by.clone(), decision.clone(), error.as_deref().map(kept)));
        }
    }

    fn did(&mut self, deed: &Deed) {
        self.totals.deed(deed);
        if deed.operation == "commit" {
            return;
        }
        let agent = deed.agent.as_ref().map(Name::to_string).unwrap_or_default();
        work::count(self.agents.entry(agent.clone()).or_default(), deed);
        self.with(deed.task.as_ref(), |story| story.work.did(deed));
        if let Outcome::Denied { reason, grant } = &deed.outcome {
            let key = (agent, format!("{} {}", deed.capability, kept(&deed.operation)), kept(&deed.resource));
            if let Some(refusal) = self.refusals.of(key) {
                if refusal.times == 0 {
                    *refusal = Refusal { reason: kept(reason), grant: kept(grant), times: 0, position: deed.position };
                }
                refusal.times += deed.calls;
            }
        }
    }

    fn moment(&mut self, at: Timestamp, what: What) {
        if self.moments.len() < MAX_MOMENTS {
            self.moments.push(Moment { at, what });
        }
    }

    fn with(&mut self, task: Option<&TaskId>, change: impl FnOnce(&mut Story)) {
        let place = task.and_then(|task| self.places.get(task));
        if let Some(story) = place.and_then(|place| self.tasks.get_mut(*place)) {
            change(story);
        }
    }
}
