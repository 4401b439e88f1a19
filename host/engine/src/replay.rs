//! Replay: every attempt of a recorded run is done again from its record, and has to do the same.
//!
//! ```text
//!   record ──► tries, each from its first attempt on ──► executor, with a record that takes nothing new
//!                                                            │ each action, output and fuel is compared as it comes,
//!                                                            │ each commit is made again from the files, and its version compared
//!                                                            ▼
//!                                                        the same, or the first difference
//! ```
//!
//! Nothing has an effect: what was asked outside is answered from the record, and an attempt that asks for more than is there ends with that as its
//! difference. The executor is the one that goes on with a run after a crash; what is new here is only that it may not go on.

use crate::engine::{Engine, same_plugins};
use crate::error::EngineError;
use crate::executor::{Ending, Work, execute};
use crate::history::History;
use crate::ports::{BoxFuture, Journal, JournalError, Ports, Query, Records};
use crate::shared::{Shared, Stop};
use crate::transcript::Script;
use longhaul_core::attachment::AttachSource;
use longhaul_core::attempt::{Limits, Outcome};
use longhaul_core::children::ChildStatus;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::IncidentClass;
use longhaul_core::outbox::Outbox;
use longhaul_core::state::TaskState;
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::model::Workflow;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What the replay of a try came to: of an attempt, and of those that took over from it as they were renewed or judged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The first attempt of the try.
    pub attempt: AttemptId,
    /// Who made it.
    pub agent: Name,
    /// Entries of the record that it came to again.
    pub entries: u64,
    /// What came of it.
    pub verdict: Verdict,
}

/// Whether a try does again what its record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does the same: every action, its fuel, its output, and every byte that it committed.
    Same,
    /// It does the same as far as the record goes, which ends in the middle of it.
    CutOff,
    /// It does something else; this is the first difference.
    Differs(String),
    /// It cannot be done again, for this reason.
    Impossible(String),
}

/// A try, as the record has it.
struct Try {
    attempt: AttemptId,
    agent: Name,
    input: Value,
    state: Option<Value>,
    limits: Limits,
    /// The entry before it.
    after: Position,
    /// How many entries it has.
    entries: u64,
    has_end: bool,
    /// How it ended, where nobody knows whether an effect of it happened: it was cut off before it could say so itself.
    lost: Option<String>,
    validator: Option<Name>,
    is_captured: bool,
    /// The content that it works with: versions, and what its commands left.
    content: BTreeSet<Digest>,
}

impl Engine {
    /// Does every try of a run again, one after the other, and hands out what came of each. The engine's journal is read and not written.
    ///
    /// # Errors
    /// [`EngineError`] where the record cannot be read, or the run cannot be set up as it was.
    pub async fn replay(
        &self,
        history: &History,
        workflow: &Workflow,
        mut on: impl FnMut(Replayed),
    ) -> Result<(), EngineError> {
        let run = &history.run;
        let unread = |source| EngineError::Journal { run: run.clone(), source };
        let Past { tries, children } = Past::read(self.ports.journal.as_ref(), run).map_err(unread)?;
        for one in tries {
            let (attempt, agent, entries) = (one.attempt.clone(), one.agent.clone(), one.entries);
            let verdict = self.replay_try(history, workflow, one, &children).await?;
            on(Replayed { attempt, agent, entries, verdict });
        }
        Ok(())
    }

    async fn replay_try(
        &self,
        history: &History,
        workflow: &Workflow,
        one: Try,
        children: &HashMap<TaskId, Family>,
    ) -> Result<Verdict, EngineError> {
        let name = one.attempt.task.name();
        let Some(spec) = workflow.tasks.iter().find(|(task, _)| task.as_str() == name).map(|(_, spec)| spec) else {
            return Ok(Verdict::Impossible(format!("the workflow has no task `{name}`")));
        };
        let journal = Arc::new(Closed::new(self.ports.journal.clone(), one.lost));
        let shared = self.replaying(history, workflow, journal.clone())?;
        // What it was told of its children is in its record, but for what they put out.
        if let Some(Family { asked, stand }) = children.get(&one.attempt.task) {
            shared.board.enter(asked);
            stand.iter().for_each(|(child, status)| shared.board.update(child, status.clone()));
        }
        for content in &one.content {
            if !shared.ports.workspace.has(*content).await {
                return Ok(Verdict::Impossible(format!("the content {content} that it worked with is kept no more")));
            }
        }
        let script = Script { after: one.after, number: one.attempt.number };
        let work = Work {
            task: one.attempt.task.clone(),
            agent: one.agent,
            number: script.number,
            input: one.input,
            // What they came to is in the record; that there were any is enough to have it.
            attach: if one.is_captured { vec![AttachSource::Repository] } else { Vec::new() },
            state: one.state,
            permissions: spec.permissions.clone(),
            limits: one.limits,
            deadline: None,
            is_read: false,
            verify: false,
            validator: one.validator,
            began: script.after,
            key: None,
            is_again: true,
        };
        let ended = execute(&shared, work, Arc::new(Stop::new())).await;
        let beyond = journal.beyond();
        Ok(match (ended, beyond) {
            (_, Some(_)) if !one.has_end => Verdict::CutOff,
            (_, Some(beyond)) => Verdict::Differs(beyond),
            (Err(error), None) => Verdict::Impossible(error.to_string()),
            (Ok(ended), None) => match ended.ending {
                Ending::Failed(_, problem) if problem.class == IncidentClass::Diverged => {
                    Verdict::Differs(problem.message)
                }
                // One that waited when the host ended it waits again.
                Ending::Completed(_) | Ending::Failed(..) | Ending::Suspended(_) => Verdict::Same,
                Ending::Interrupted => Verdict::CutOff,
            },
        })
    }
}

impl Engine {
    /// What holds for a run that is done again along its record, which `journal` reads.
    fn replaying(
        &self,
        history: &History,
        workflow: &Workflow,
        journal: Arc<Closed>,
    ) -> Result<Arc<Shared>, EngineError> {
        let engine = Self { ports: Ports { journal, ..self.ports.clone() }, places: None };
        let shared = engine.share_again(history, workflow, None)?;
        same_plugins(&shared, history)?;
        shared.captures.restore(history);
        let in_use = || EngineError::Defect { run: history.run.clone(), what: "a replay is shared".to_owned() };
        // Nobody else has it yet.
        let shared = Arc::into_inner(shared).ok_or_else(in_use)?;
        Ok(Arc::new(Shared { proves: true, ..shared }))
    }
}

/// What a record has to be done again.
struct Past {
    /// In the order in which they began.
    tries: Vec<Try>,
    children: HashMap<TaskId, Family>,
}

/// The children that a task asked for, and how they stand at the end.
#[derive(Default)]
struct Family {
    asked: Outbox,
    stand: HashMap<TaskId, ChildStatus>,
}

/// What is known of a task while its record is read.
#[derive(Default)]
struct Known {
    /// The place of its newest try.
    newest: Option<usize>,
    /// What its last instance handed on, and who that was.
    handed: Option<(Name, Value)>,
    /// Whether its newest attempt goes on in a fresh instance.
    renews: bool,
    /// What was captured for it.
    captured: Option<Digest>,
    output: Value,
    problem: String,
}

impl Past {
    fn read(records: &dyn Records, run: &RunId) -> Result<Self, JournalError> {
        let mut past = Self { tries: Vec::new(), children: HashMap::new() };
        let mut known: HashMap<TaskId, Known> = HashMap::new();
        let mut query = Query { after: None, task: None, details: true };
        loop {
            let page = records.read(run, &query)?;
            let Some((newest, _)) = page.last() else { return Ok(past) };
            query.after = Some(*newest);
            for (position, record) in page {
                let Record { task: Some(task), attempt, entry, .. } = record else { continue };
                let known = known.entry(task.clone()).or_default();
                match attempt {
                    Some(number) => past.of_attempt(known, position, AttemptId { task, number }, entry),
                    None => past.of_task(known, &task, entry),
                }
            }
        }
    }

    fn of_attempt(&mut self, known: &mut Known, position: Position, attempt: AttemptId, entry: Entry) {
        match entry {
            Entry::AttemptStarted { agent, input, limits, base, judges: None, .. }
                if !std::mem::take(&mut known.renews) =>
            {
                known.newest = Some(self.tries.len());
                let handed = known.handed.as_ref().filter(|(by, _)| *by == agent);
                self.tries.push(Try {
                    state: handed.map(|(_, state)| state.clone()),
                    attempt,
                    agent,
                    input,
                    limits,
                    after: Position(position.0.saturating_sub(1)),
                    entries: 1,
                    has_end: false,
                    lost: None,
                    validator: None,
                    is_captured: known.captured.is_some(),
                    content: known.captured.into_iter().chain([base]).collect(),
                });
            }
            entry => {
                let Some(one) = known.newest.and_then(|at| self.tries.get_mut(at)) else { return };
                one.entries += 1;
                match entry {
                    Entry::AttemptStarted { agent, judges: Some(_), .. } => one.validator = Some(agent),
                    Entry::AttemptStarted { base, judges: None, .. } => drop(one.content.insert(base)),
                    Entry::Captured(captured) => {
                        one.is_captured = true;
                        one.content.insert(captured.tree);
                        known.captured = Some(captured.tree);
                    }
                    Entry::Kept { tree, .. } => drop(one.content.insert(tree)),
                    Entry::Published(outbox) => self.asked(attempt.task, outbox),
                    Entry::Committed { base, published, .. } => {
                        one.content.insert(base);
                        self.asked(attempt.task, published);
                    }
                    Entry::AttemptEnded { result, .. } => {
                        one.has_end = true;
                        match result {
                            Ok(Outcome::Completed(output)) => known.output = output,
                            Ok(Outcome::ContinueAsNew(state)) => {
                                known.handed = Some((one.agent.clone(), state));
                                known.renews = true;
                            }
                            Err(problem) => {
                                let is_lost = problem.class == IncidentClass::UnknownOutcome;
                                one.lost = is_lost.then(|| problem.message.clone());
                                known.problem = problem.message;
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn asked(&mut self, parent: TaskId, outbox: Outbox) {
        self.children.entry(parent).or_default().asked.spawned.extend(outbox.spawned);
    }

    fn of_task(&mut self, known: &mut Known, task: &TaskId, entry: Entry) {
        let status = match entry {
            Entry::Reused { output, .. } => {
                known.output = output;
                return;
            }
            Entry::TaskChanged { to: TaskState::Completed, .. } => {
                ChildStatus::Completed(Arc::new(known.output.clone()))
            }
            Entry::TaskChanged { to: TaskState::Failed, .. } => ChildStatus::Failed(known.problem.clone()),
            Entry::TaskChanged { to: TaskState::Skipped, .. } => ChildStatus::Skipped,
            Entry::TaskChanged { to: TaskState::Cancelled, .. } => ChildStatus::Cancelled,
            _ => return,
        };
        if let Some(parent) = task.parent() {
            self.children.entry(parent).or_default().stand.insert(task.clone(), status);
        }
    }
}

/// A journal that is read, and takes nothing more: what somebody wants to append is remembered as the difference that it is.
struct Closed {
    journal: Arc<dyn Journal>,
    /// What it may say at its end beyond the record.
    lost: Option<String>,
    beyond: Mutex<Option<String>>,
}

impl Closed {
    fn new(journal: Arc<dyn Journal>, lost: Option<String>) -> Self {
        Self { journal, lost, beyond: Mutex::default() }
    }

    fn beyond(&self) -> Option<String> {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Records for Closed {
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.journal.read(run, query)
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        self.journal.newest(run)
    }
}

impl Journal for Closed {
    fn append(&self, _: &RunId, record: &Record) -> Result<Position, JournalError> {
        match &record.entry {
            // The record has its end as the host noted it when it went on with the run.
            Entry::AttemptEnded { result: Err(problem), .. } if self.lost.as_ref() == Some(&problem.message) => {
                return Ok(Position(u64::MAX));
            }
            _ => {}
        }
        let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = || match &record.entry {
            // The host wants to note that the attempt did something else.
            Entry::AttemptEnded { result: Err(problem), .. } if problem.class == IncidentClass::Diverged => {
                problem.message.clone()
            }
            entry => {
                let text = serde_json::to_string(entry).unwrap_or_default();
                format!("it goes on where its record ends: {}", text.chars().take(500).collect::<String>())
            }
        };
        beyond.get_or_insert_with(shown);
        Err(JournalError::Failed("a replay records nothing".to_owned()))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
