//! What happened in a run, as its journal tells: for `show`, and at the end of `run`.

use crate::failure::{Exit, Failure};
use crate::question::QuestionRow;
use longhaul_core::action::ActionResult;
use longhaul_core::attachment::Attachment;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{ChangeKind, Entry, Record};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident};
use longhaul_core::people::Asked;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Fuel, Money, Tokens};
use longhaul_store::{EntryKind, Filter, Reader, RunInfo};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The most kinds of refusals that are told apart: agents make up what they ask for, and memory is bounded.
const MAX_REFUSALS: usize = 1_000;

/// A run, folded from its journal.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// How it stands.
    pub status: String,
    /// Why, where that does not go without saying.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The resulting workspace version.
    pub workspace: Option<Digest>,
    /// Files put into the user's folder; none where the result was not applied.
    pub applied: Option<u64>,
    /// The plugins that took part.
    pub plugins: Vec<PluginRow>,
    /// The tasks in the order planned.
    pub tasks: Vec<TaskRow>,
    /// Files changed against the beginning.
    pub changes: Vec<ChangeRow>,
    /// Host calls.
    pub actions: u64,
    /// Computing.
    pub fuel: Fuel,
    /// Tokens of language models.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
    /// The most memory that one instance had.
    pub memory: Bytes,
    /// Host calls that were refused.
    pub denials: u64,
    /// What was refused.
    pub refusals: Vec<RefusalRow>,
    /// Whether there were more kinds of refusals than are told apart.
    pub refusals_cut: bool,
    /// What people are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionRow>,
    /// Failed attempts, and what was decided.
    pub incidents: Vec<IncidentRow>,
    /// Lines of the record.
    pub entries: u64,
}

/// A plugin.
#[derive(Debug, Serialize)]
pub(crate) struct PluginRow {
    /// Its name in the workflow.
    pub name: Name,
    /// What kind it is.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
}

/// A task.
#[derive(Debug, Serialize)]
pub(crate) struct TaskRow {
    /// Its id.
    pub task: TaskId,
    /// Who worked on it.
    pub agent: Name,
    /// How it stands.
    pub state: TaskState,
    /// Attempts made.
    pub attempts: u32,
    /// Computing of all attempts.
    pub fuel: Fuel,
    /// Tokens of language models.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
    /// The most memory of an attempt.
    pub memory: Bytes,
    /// Time of all attempts.
    pub seconds: f64,
    /// Host calls.
    pub actions: u64,
    /// Host calls that were refused.
    pub denials: u64,
    /// Files changed by what was committed.
    pub changes: u64,
    /// What it was given beside its input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The attempt whose output it took, where it had none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<AttemptId>,
}

/// A changed file.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeRow {
    /// The path.
    pub path: String,
    /// What became of it.
    pub change: ChangeKind,
}

/// A kind of refusal.
#[derive(Debug, Serialize)]
pub(crate) struct RefusalRow {
    /// Who was refused.
    pub agent: String,
    /// The capability and what was to be done with it.
    pub operation: String,
    /// What it was to be done to.
    pub resource: String,
    /// Why not.
    pub reason: String,
    /// The line that would grant it; empty where nothing would.
    pub grant: String,
    /// How often.
    pub times: u64,
}

/// An incident.
#[derive(Debug, Serialize)]
pub(crate) struct IncidentRow {
    /// What happened.
    #[serde(flatten)]
    pub incident: Incident,
    /// What was decided last that could be done, by whom.
    pub decision: Option<(Name, Decision)>,
}

impl RunReport {
    /// Folds the journal of a run. Actions are not read one by one, except the refused ones.
    pub(crate) fn read(reader: &Reader, info: &RunInfo, status: String) -> Result<Self, Failure> {
        let unreadable =
            |e: longhaul_store::StoreError| Failure::of(Exit::Internal, format!("read the record of {}", info.id), &e);
        let mut fold = Fold::default();
        let kinds = EntryKind::ALL
            .iter()
            .copied()
            .filter(|kind| !matches!(kind, EntryKind::Action | EntryKind::Log | EntryKind::Progress));
        for line in
            reader.entries(&info.id, &Filter { kinds: kinds.collect(), ..Filter::default() }).map_err(unreadable)?
        {
            if let Some(record) = line.map_err(unreadable)?.record() {
                fold.add(record);
            }
        }
        let mut refusals: BTreeMap<(String, String, String), RefusalRow> = BTreeMap::new();
        let mut refusals_cut = false;
        for line in reader.entries(&info.id, &Filter { denied: true, ..Filter::default() }).map_err(unreadable)? {
            if let Some(record) = line.map_err(unreadable)?.record() {
                refusals_cut |= !fold.add_refusal(record, &mut refusals);
            }
        }
        let (s, tasks) = (&info.summary, fold.rows());
        Ok(Self {
            run: info.id.clone(),
            workflow: info.workflow.clone(),
            status,
            reason: fold.reason,
            started: info.started.to_string(),
            seconds: s.ended.unwrap_or(s.last).since(s.started).as_secs_f64(),
            workspace: fold.version,
            applied: fold.applied,
            plugins: fold.plugins,
            tasks,
            changes: together(fold.changes),
            actions: s.actions,
            fuel: s.fuel,
            tokens: s.tokens,
            money: s.money,
            memory: s.memory,
            denials: s.denials,
            refusals: refusals.into_values().collect(),
            refusals_cut,
            questions: fold.questions.iter().map(|(task, asked)| QuestionRow::of(&info.id, task, asked)).collect(),
            incidents: fold.incidents,
            entries: s.entries,
        })
    }
}

/// What became of each path since the beginning; those that are as they were are left out.
fn together(changes: Vec<(String, ChangeKind)>) -> Vec<ChangeRow> {
    let mut all: BTreeMap<String, Option<ChangeKind>> = BTreeMap::new();
    for (path, change) in changes {
        let known = all.entry(path).or_insert(None);
        *known = ChangeKind::together(*known, change);
    }
    all.into_iter().filter_map(|(path, change)| Some(ChangeRow { path, change: change? })).collect()
}

/// What has been read so far.
#[derive(Default)]
struct Fold {
    version: Option<Digest>,
    applied: Option<u64>,
    reason: String,
    plugins: Vec<PluginRow>,
    order: Vec<TaskId>,
    tasks: BTreeMap<TaskId, TaskRow>,
    /// All changes of paths, in order.
    changes: Vec<(String, ChangeKind)>,
    incidents: Vec<IncidentRow>,
    /// The open questions, oldest first.
    questions: Vec<(TaskId, Asked)>,
    /// How many changes there were at each checkpoint.
    marks: BTreeMap<u32, usize>,
}

impl Fold {
    fn add(&mut self, record: &Record) {
        let task = record.task.as_ref();
        match &record.entry {
            Entry::RunStarted { base, .. } => self.version = Some(*base),
            Entry::PluginUsed { name, plugin, digest, version } => self.plugins.push(PluginRow {
                name: name.clone(),
                kind: plugin.to_string(),
                version: version.clone(),
                digest: *digest,
            }),
            Entry::TaskPlanned { agent, .. } => {
                if let Some(task) = task {
                    self.plan(task, agent);
                }
            }
            Entry::TaskChanged { to, .. } => {
                if to.is_final() || *to == TaskState::Failing {
                    self.questions.retain(|(asker, _)| Some(asker) != task);
                }
                self.with(task, |row| row.state = *to);
            }
            Entry::Published(outbox) => {
                let asked = task.zip(outbox.asked.as_ref());
                self.questions.extend(asked.map(|(task, asked)| (task.clone(), asked.clone())));
            }
            Entry::Answered { number, .. } => self.questions.retain(|(_, asked)| asked.number != *number),
            // Whoever asked begins again.
            Entry::Forked { .. } => self.questions.clear(),
            Entry::Reused { from, .. } => self.with(task, |row| row.reused = Some(from.clone())),
            Entry::AttemptStarted { agent, .. } => self.with(task, |row| {
                row.agent = agent.clone();
                row.attempts += 1;
            }),
            Entry::Captured(captured) => {
                self.with(task, |row| row.attachments.clone_from(&captured.attachments));
            }
            Entry::AttemptEnded { usage, .. } => self.with(task, |row| {
                row.fuel += usage.fuel;
                row.tokens += usage.tokens;
                row.money += usage.money;
                row.memory = row.memory.max(usage.memory);
                row.seconds += usage.time.as_secs_f64();
                row.actions += usage.actions;
                row.denials += usage.denials;
            }),
            Entry::Committed { version, changes, .. } => {
                self.version = Some(*version);
                self.with(task, |row| row.changes += changes.len() as u64);
                self.changes.extend(changes.iter().map(|change| (change.path.as_str().to_owned(), change.change)));
            }
            Entry::Checkpointed { number, .. } => {
                self.marks.insert(*number, self.changes.len());
            }
            Entry::RolledBack { number, version, tasks, gone, .. } => {
                self.questions.clear();
                self.version = Some(*version);
                // What changed since then does not count, as if it had never been.
                self.changes.truncate(self.marks.get(number).copied().unwrap_or_default());
                for (task, state) in tasks {
                    self.with(Some(task), |row| row.state = *state);
                }
                self.order.retain(|task| !gone.contains(task));
                gone.iter().for_each(|task| drop(self.tasks.remove(task)));
            }
            Entry::IncidentRaised { incident } => {
                self.incidents.push(IncidentRow { incident: incident.clone(), decision: None })
            }
            // One with an error was refused, and another strategy was asked.
            Entry::Decided { strategy, decision: Some(decision), error: None, .. } => {
                let last = self.incidents.iter_mut().rev().find(|row| Some(&row.incident.attempt.task) == task);
                if let Some(row) = last {
                    row.decision = Some((strategy.clone(), decision.clone()));
                }
            }
            Entry::RunChanged { reason, to, .. } => {
                if *to != RunState::Applying || !reason.is_empty() {
                    self.reason.clone_from(reason);
                }
            }
            Entry::Applied { files, .. } => self.applied = Some(*files),
            Entry::RunResumed { .. }
            | Entry::Idled { .. }
            | Entry::CheckpointsDropped { .. }
            | Entry::HookCalled { .. }
            | Entry::AttemptSuspended { .. }
            | Entry::Decided { .. }
            | Entry::Intended(_)
            | Entry::Kept { .. }
            | Entry::Action(_)
            | Entry::Log { .. }
            | Entry::Progress { .. } => {}
        }
    }

    /// The tasks in the order in which they were planned, each with those behind it that it asked for.
    fn rows(&mut self) -> Vec<TaskRow> {
        let mut order = std::mem::take(&mut self.order);
        let places: HashMap<String, usize> =
            order.iter().enumerate().map(|(place, task)| (task.as_str().to_owned(), place)).collect();
        let place = |task: &TaskId| places.get(task.root()).copied().unwrap_or(usize::MAX);
        order.sort_by(|one, other| (place(one), one.listed()).cmp(&(place(other), other.listed())));
        order.into_iter().filter_map(|task| self.tasks.remove(&task)).collect()
    }

    fn plan(&mut self, task: &TaskId, agent: &Name) {
        let row = TaskRow {
            task: task.clone(),
            agent: agent.clone(),
            state: TaskState::Pending,
            attempts: 0,
            fuel: Fuel(0),
            tokens: Tokens(0),
            money: Money(0),
            memory: Bytes(0),
            seconds: 0.0,
            actions: 0,
            denials: 0,
            changes: 0,
            attachments: Vec::new(),
            reused: None,
        };
        if self.tasks.insert(task.clone(), row).is_none() {
            self.order.push(task.clone());
        }
    }

    fn with(&mut self, task: Option<&TaskId>, change: impl FnOnce(&mut TaskRow)) {
        if let Some(row) = task.and_then(|task| self.tasks.get_mut(task)) {
            change(row);
        }
    }

    /// Adds a refusal to its kind; tells whether there was room for it.
    fn add_refusal(&self, record: &Record, refusals: &mut BTreeMap<(String, String, String), RefusalRow>) -> bool {
        let Entry::Action(action) = &record.entry else { return true };
        let ActionResult::Denied { reason, grant } = &action.result else { return true };
        let agent =
            record.task.as_ref().and_then(|t| self.tasks.get(t)).map_or_else(String::new, |row| row.agent.to_string());
        let operation = format!("{} {}", action.capability, action.operation);
        let kind = (agent.clone(), operation.clone(), action.resource.clone());
        if refusals.len() >= MAX_REFUSALS && !refusals.contains_key(&kind) {
            return false;
        }
        let row = refusals.entry(kind).or_insert_with(|| RefusalRow {
            agent,
            operation,
            resource: action.resource.clone(),
            reason: reason.clone(),
            grant: grant.clone(),
            times: 0,
        });
        row.times += action.calls;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::action::Action;
    use longhaul_core::grant::Capability;
    use longhaul_core::incident::{IncidentClass, Problem};
    use longhaul_core::units::Timestamp;

    #[test]
    fn an_incident_shows_the_last_decision_that_was_not_refused() {
        let task = TaskId::new("x").unwrap();
        let attempt = AttemptId { task: task.clone(), number: 1 };
        let agent = Name::new("a").unwrap();
        let problem = Problem::new(IncidentClass::Fatal, "it went wrong");
        let raised = Entry::IncidentRaised { incident: Incident { attempt, agent, problem, at: Timestamp(0) } };
        let decided = |strategy: &str, decision: Decision, error: Option<&str>| Entry::Decided {
            strategy: Name::new(strategy).unwrap(),
            decision: Some(decision),
            error: error.map(str::to_owned),
            checkpoint: None,
        };
        let skip = Decision::Skip { reason: "too late".into() };
        let entries = [
            raised,
            decided("one", Decision::Split, Some("the workflow does not say how")),
            decided("two", Decision::Compensate, None),
            decided("three", skip.clone(), None),
            decided("four", Decision::Split, Some("refused too")),
        ];
        let mut fold = Fold::default();
        for entry in entries {
            fold.add(&Record { at: Timestamp(0), task: Some(task.clone()), attempt: Some(1), entry });
        }
        assert_eq!(fold.incidents[0].decision, Some((Name::new("three").unwrap(), skip)));
    }

    #[test]
    fn refusals_beyond_the_bound_are_counted_where_their_kind_is_known_and_told_as_cut() {
        let record = |n: usize| Record {
            at: Timestamp(0),
            task: None,
            attempt: None,
            entry: Entry::Action(Action {
                number: 0,
                capability: Capability::Fs,
                operation: "open".into(),
                resource: format!("file{n}"),
                detail: String::new(),
                calls: 2,
                bytes: Bytes(0),
                digest: None,
                exchange: None,
                result: ActionResult::Denied { reason: "no".into(), grant: String::new() },
            }),
        };
        let (fold, mut refusals) = (Fold::default(), BTreeMap::new());
        assert!((0..MAX_REFUSALS).all(|n| fold.add_refusal(&record(n), &mut refusals)));
        assert!(!fold.add_refusal(&record(MAX_REFUSALS), &mut refusals));
        assert!(fold.add_refusal(&record(0), &mut refusals));
        assert_eq!((refusals.len(), refusals.values().map(|row| row.times).max()), (MAX_REFUSALS, Some(4)));
    }
}
