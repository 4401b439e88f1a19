//! What the record says of a run that goes on: everything that a resumed run starts from, read once from beginning to end.
//!
//! Actions, log lines and progress are not read here. They are most of a record, and only those of tries that a crash cut
//! short matter: a [`Transcript`](crate::transcript) reads them when such a try is done again.

mod error;
mod fold;
mod go_back;
mod task;
mod view;

use crate::captures::Capture;
use crate::hooks::Told;
use crate::mail::{Boxes, Postmark};
use crate::options::Apply;
use crate::ports::Records;
use crate::questions::Questions;
use crate::spending::Used;

pub use error::HistoryError;
use error::misfit;
use fold::Fold;
use longhaul_core::attempt::Outcome;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Budget, ChangeKind, CheckpointReason, Entry, Position, Record};
use longhaul_core::grant::Permissions;
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::Past;
use longhaul_core::manifest::PluginKind;
use longhaul_core::outbox::Outbox;
use longhaul_core::path::StagePath;
use longhaul_core::spend::Spent;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
pub(crate) use task::{Decided, Output, TaskHistory};
pub use view::Standing;

/// A run that was begun before.
#[derive(Debug, Clone)]
pub struct History {
    /// The run.
    pub run: RunId,
    /// Where it stands; a run that was killed is still `running` or `applying`.
    pub state: RunState,
    /// The workflow file's name.
    pub file: String,
    /// The workflow file as it was read when the run began.
    pub source: String,
    /// The plugins that it began with, by kind and name in the workflow.
    plugins: Vec<(PluginKind, Name, Digest)>,
    /// What the operator allowed.
    pub policy: Option<Permissions>,
    /// What answers for the workflow's own models, by their names.
    pub scripts: BTreeMap<String, String>,
    pub(crate) inputs: Map<String, Value>,
    pub(crate) seed: u64,
    pub(crate) apply: Apply,
    pub(crate) base: Digest,
    pub(crate) version: Digest,
    pub(crate) started: Timestamp,
    pub(crate) last: Timestamp,
    /// How long it was under way, all resumptions together.
    pub(crate) active: Duration,
    pub(crate) budget: Option<Budget>,
    pub(crate) used: Used,
    /// What hooks were told.
    pub(crate) told: Told,
    pub(crate) incidents: u64,
    applied: Option<Digest>,
    pub(crate) changes: BTreeMap<StagePath, ChangeKind>,
    /// How many checkpoints are kept.
    keep: u32,
    /// Those up to this number are kept no more, and never will be again.
    dropped: u32,
    /// The checkpoints in the record, in order; of those only the newest are kept. Those that the run went back behind are
    /// not among them.
    pub checkpoints: Vec<Checkpoint>,
    /// The number of the next checkpoint.
    pub(crate) next_checkpoint: u32,
    pub(crate) tasks: HashMap<TaskId, TaskHistory>,
    /// How often the run went back.
    pub(crate) went_back: u32,
    /// Tasks that the run went back behind: they count on where they are planned again.
    pub(crate) gone: HashMap<TaskId, TaskHistory>,
    /// What the outputs take that are kept here.
    outputs: u64,
    /// What was done and can be reused, by the hash of what it was.
    pub(crate) reusable: HashMap<Digest, Reusable>,
    /// The messages that wait.
    pub(crate) boxes: Boxes,
    /// What people were asked.
    pub(crate) questions: Questions,
    /// The trees of all that was captured for tasks.
    pub(crate) captured: BTreeSet<Digest>,
    /// All that the graph of tasks went through, in order.
    pub(crate) steps: Vec<Step>,
}

/// An attempt whose output others can take that do the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reusable {
    pub(crate) attempt: AttemptId,
    /// Where in the record it begins.
    pub(crate) after: Position,
    /// The version that it worked on.
    pub(crate) base: Digest,
}

/// A change of the graph of tasks.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A task went to this state.
    Changed(TaskId, TaskState),
    /// Tasks were asked for.
    Published(Box<Outbox>),
}

impl Step {
    /// The task that changed; none where others came to be.
    fn task(&self) -> Option<&TaskId> {
        match self {
            Step::Changed(task, _) => Some(task),
            Step::Published(_) => None,
        }
    }
}

/// Where a run can be gone back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number in the run.
    pub number: u32,
    /// The version.
    pub version: Digest,
    /// Why it was made.
    pub reason: CheckpointReason,
    /// When.
    pub at: Timestamp,
    /// Where in the record.
    pub position: Position,
}

impl History {
    /// Reads what is recorded of `run`.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(records: &dyn Records, run: &RunId) -> Result<Self, HistoryError> {
        Self::read_until(records, run, None)
    }

    /// Reads what is recorded of `run` up to a position, that one included.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read_until(records: &dyn Records, run: &RunId, last: Option<Position>) -> Result<Self, HistoryError> {
        Ok(Fold::of(records, run, last)?.history)
    }

    /// Reads what is recorded of `run`, and shows each record behind the first to `seen`, with the history up to it.
    pub(crate) fn follow(
        records: &dyn Records,
        run: &RunId,
        seen: impl FnMut(&Self, &Record),
    ) -> Result<Self, HistoryError> {
        let targets = fold::targets(records, run)?;
        Fold::along(records, run, None, Some(&targets), seen)?.map(|fold| fold.history).ok_or(HistoryError::NoStart)
    }

    fn begin(record: Record) -> Option<Self> {
        let Entry::RunStarted { run, file, source, base, inputs, policy, seed, apply, keep, scripts, .. } =
            record.entry
        else {
            return None;
        };
        Some(Self {
            run,
            state: RunState::Running,
            file,
            source,
            plugins: Vec::new(),
            policy,
            scripts,
            inputs,
            seed,
            apply: if apply { Apply::OnSuccess } else { Apply::Later },
            base,
            version: base,
            started: record.at,
            last: record.at,
            active: Duration::ZERO,
            budget: None,
            used: Used::default(),
            told: Told::default(),
            incidents: 0,
            applied: None,
            changes: BTreeMap::new(),
            keep,
            dropped: 0,
            checkpoints: Vec::new(),
            next_checkpoint: 1,
            tasks: HashMap::new(),
            went_back: 0,
            gone: HashMap::new(),
            outputs: 0,
            reusable: HashMap::new(),
            boxes: Boxes::default(),
            questions: Questions::default(),
            captured: BTreeSet::new(),
            steps: Vec::new(),
        })
    }

    fn add(&mut self, position: Position, record: Record) -> Result<(), HistoryError> {
        let Record { at, task, attempt, entry } = record;
        match &entry {
            // From the end of one process to the beginning of the next one, the run was not under way.
            Entry::RunResumed { worked, .. } => {
                self.active = worked.unwrap_or(self.active);
                self.last = self.last.max(at);
            }
            _ => self.reach(at),
        }
        match entry {
            Entry::RunStarted { .. } => return Err(misfit(position, "the run begins a second time")),
            Entry::RunResumed { budget, .. } => self.budget = budget.or(self.budget),
            Entry::PluginUsed { name, plugin, digest, .. } => self.plugins.push((plugin, name, digest)),
            Entry::RunChanged { to, .. } => self.state = to,
            Entry::Idled { span } => self.active = self.active.saturating_sub(span),
            Entry::Checkpointed { number, version, reason, .. } => {
                self.checkpoints.push(Checkpoint { number, version, reason, at, position });
                self.next_checkpoint = number.saturating_add(1);
                let keep = usize::try_from(self.keep).unwrap_or(usize::MAX).max(1);
                if let Some(oldest) = self.checkpoints.len().checked_sub(keep + 1) {
                    self.dropped = self.dropped.max(self.checkpoints[oldest].number);
                }
            }
            Entry::CheckpointsDropped { through } => self.dropped = self.dropped.max(through),
            Entry::HookCalled { hook, about, .. } => drop(self.told.of.insert(hook, about)),
            Entry::Forked { checkpoint, .. } => {
                self.told.copied = Some(position);
                // What the first run keeps of the ones before is its own affair.
                self.dropped = checkpoint.saturating_sub(1);
                self.tasks.values_mut().for_each(TaskHistory::leave_behind);
                // Who asked begins again.
                self.questions.retain(|_| false);
            }
            Entry::Applied { version, .. } => self.applied = Some(version),
            Entry::TaskPlanned { agent, .. } => {
                let task = task.ok_or_else(|| misfit(position, "it names no task"))?;
                self.plan(task, agent);
            }
            Entry::Intended(_) | Entry::Action(_) | Entry::Log { .. } | Entry::Progress { .. } => {}
            entry => {
                let id = task.ok_or_else(|| misfit(position, "it names no task"))?;
                self.of_task(position, at, id, attempt, entry)?;
            }
        }
        Ok(())
    }

    /// It was under way until then.
    fn reach(&mut self, at: Timestamp) {
        self.active = self.active.saturating_add(at.since(self.last));
        self.last = self.last.max(at);
    }

    fn plan(&mut self, task: TaskId, agent: Name) {
        if task.index().is_some()
            && let Some(parent) = self.tasks.get_mut(&task.whole())
        {
            parent.elements += 1;
        }
        self.know(task, agent).is_planned = true;
    }

    /// A task of the run, new or known.
    fn know(&mut self, task: TaskId, agent: Name) -> &mut TaskHistory {
        let gone = self.gone.remove(&task);
        self.tasks.entry(task).or_insert_with(|| gone.unwrap_or_else(|| TaskHistory::of(agent)))
    }

    fn publish(&mut self, sender: &TaskId, mark: Postmark, outbox: Outbox) {
        for child in &outbox.spawned {
            self.know(child.task.clone(), child.agent.clone());
        }
        let Self { tasks, boxes, .. } = self;
        boxes.drop_received(sender, &outbox.received);
        boxes.deliver(sender, mark, &outbox, |task| tasks.get(task).is_some_and(TaskHistory::is_open));
        let Outbox { spawned, cancelled, asked, .. } = outbox;
        if let Some(asked) = asked {
            self.questions.ask(sender, asked);
        }
        if !spawned.is_empty() || !cancelled.is_empty() {
            self.steps.push(Step::Published(Box::new(Outbox { spawned, cancelled, ..Outbox::default() })));
        }
    }

    fn of_task(
        &mut self,
        position: Position,
        at: Timestamp,
        id: TaskId,
        attempt: Option<u32>,
        entry: Entry,
    ) -> Result<(), HistoryError> {
        let task = self.tasks.get_mut(&id).ok_or_else(|| misfit(position, "the task was not planned"))?;
        match entry {
            Entry::TaskChanged { from, to } => {
                if task.state != from {
                    return Err(misfit(position, format!("the task is {} and not {from}", task.state)));
                }
                if to == TaskState::Completed {
                    self.reusable.extend(task.reusable(&id));
                    task.completes(&mut self.outputs);
                }
                task.change(position, to);
                if !task.is_open() {
                    self.boxes.end(&id);
                }
                if !task.has_try() {
                    self.questions.forget(&id);
                }
                self.steps.push(Step::Changed(id, to));
            }
            Entry::AttemptEnded { result, usage } => {
                self.used.fuel += usage.fuel;
                self.used.spent = self.used.spent + Spent::of(&usage);
                if usage.outside > 0 {
                    task.work = None;
                }
                let number = attempt.ok_or_else(|| misfit(position, "it names no attempt"))?;
                task.attempt_ended(AttemptId { task: id, number }, result, &usage);
            }
            Entry::Committed { version, changes, published, .. } => {
                self.version = version;
                // It left more than its output.
                task.work = None;
                // One in the middle of an attempt is not its last.
                task.is_committed = task.ended.is_some();
                crate::report::merge(&mut self.changes, changes);
                self.publish(&id, Postmark { position, at }, published);
            }
            Entry::Published(outbox) => {
                task.work = None;
                task.is_committed = task.ended.is_some();
                self.publish(&id, Postmark { position, at }, outbox);
            }
            Entry::Reused { from, output } => {
                task.reused = Some(from.clone());
                // As if its own attempt had put it out, and had nothing to commit.
                (task.ended, task.is_committed) = (Some((from, Ok(Outcome::Completed(output)))), true);
            }
            Entry::AttemptStarted { agent, judges, base, work, .. } => {
                if judges.is_none() {
                    task.agent = agent;
                }
                let number = attempt.ok_or_else(|| misfit(position, "it names no attempt"))?;
                task.base = Some(base);
                task.attempt_started(position, number, judges.is_some());
                task.work = work.map(|key| (key, number, base));
            }
            Entry::Answered { number, answer } => self.questions.answered(&id, number, answer),
            Entry::IncidentRaised { incident } => {
                self.incidents += 1;
                task.tries = task.tries.saturating_add(1);
                // It may have failed before it could begin.
                task.next = task.next.max(incident.attempt.number.saturating_add(1));
                task.problem = Some(incident.problem.clone());
                task.incident = Some(incident);
            }
            Entry::Decided { strategy, decision: Some(decision), error: None, checkpoint } => {
                if let Some(incident) = task.incident.clone() {
                    task.past.push(Past { incident, strategy, decision: decision.clone() });
                }
                task.decided = Some(Decided { decision, at, checkpoint });
            }
            Entry::Decided { strategy, .. } => task.asked.push(strategy),
            Entry::Kept { tree, .. } => task.keep(tree),
            Entry::Captured(what) => {
                self.captured.insert(what.tree);
                let attempt = attempt.ok_or_else(|| misfit(position, "it names no attempt"))?;
                task.captured = Some(Capture { attempt, what: Arc::new(what) });
            }
            Entry::AttemptSuspended { wait } => {
                task.work = None;
                task.wait = Some(wait);
            }
            _ => {}
        }
        Ok(())
    }
}
