//! The other ports in memory, and a builder of runs on them.

use crate::commands::FakeCommands;
use crate::files::{FakeWorkspace, Files, Tree};
use crate::memories::FakeMemories;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{
    AttemptEvent, AttemptReport, Job, NotCommitted, Outcome, Ran, RecordError, Recorder, Usage, Wait,
};
use longhaul_core::children::{NewChild, Worker};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::{Capability, FsPermissions, Permissions};
use longhaul_core::hook::{Hooks, NoHooks};
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::{Decision, IncidentClass, Problem, Situation};
use longhaul_core::path::StagePath;
use longhaul_core::reach::Services;
use longhaul_core::spend::{Meter, Spent};
use longhaul_core::stage::{Create, OpenMode};
use longhaul_core::state::TaskState;
use longhaul_core::units::{Bytes, Fuel, Timestamp};
use longhaul_core::workflow::model::{DEFAULT_RECOVERY, Workflow};
use longhaul_core::workflow::parse::parse;
use longhaul_engine::ports::{
    BoxFuture, Journal, JournalError, PluginInfo, Plugins, Ports, Query, Records, Time, Unobserved,
};
use longhaul_engine::{Engine, EngineError, History, Places, Replayed, ResumeOptions, RunOptions, RunReport, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

type Agent = Arc<dyn Fn(Job) -> BoxFuture<'static, Result<Value, Problem>> + Send + Sync>;
type Strategy = Arc<dyn Fn(&Situation) -> Result<Option<Decision>, String> + Send + Sync>;

pub(crate) const FUEL: u64 = 1_000;
/// The message by which an agent of these tests wishes to be suspended.
const SUSPENDED: &str = "it waits";

/// A run to be made, and all that came of it.
pub(crate) struct World {
    pub(crate) files: Arc<Files>,
    pub(crate) journal: Arc<FakeJournal>,
    pub(crate) options: RunOptions,
    plugins: FakePlugins,
    base: Digest,
    /// The places for attempts that it shares with other worlds.
    pub(crate) places: Option<Places>,
    services: Services,
    /// Who is called by hooks.
    pub(crate) hooks: Arc<dyn Hooks>,
    /// When the world's clock began: with its first run.
    epoch: OnceLock<Instant>,
    /// By how much the machine's clock was set back since.
    pub(crate) set_back: Mutex<Duration>,
}

impl World {
    /// A folder with the file `seed`, and the usual strategies, which know nothing.
    pub(crate) fn new() -> Self {
        let files = Arc::new(Files::default());
        let tree = Tree::from([("seed".to_owned(), "0".to_owned())]);
        *files.folder.lock().unwrap() = tree.clone();
        let base = files.add(&tree);
        let journal = Arc::new(FakeJournal::default());
        let world = Self {
            files,
            journal,
            options: RunOptions::default(),
            plugins: FakePlugins::default(),
            base,
            places: None,
            services: Services::default(),
            hooks: Arc::new(NoHooks),
            epoch: OnceLock::new(),
            set_back: Mutex::default(),
        };
        DEFAULT_RECOVERY.into_iter().fold(world, |world, strategy| world.strategy(strategy, |_| Ok(None)))
    }

    /// Commands are run by these.
    pub(crate) fn with_commands(mut self, commands: &FakeCommands) -> Self {
        self.services.commands = Some(Arc::new(commands.clone()));
        self
    }

    /// No command is run.
    pub(crate) fn without_commands(mut self) -> Self {
        self.services.commands = None;
        self
    }

    /// An agent whose output is what `work` gives; an output with `continue` means to continue as new with it.
    pub(crate) fn agent<F>(mut self, agent: &str, work: impl Fn(Job) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        self.plugins.agents.insert(name(agent), Arc::new(move |job| Box::pin(work(job))));
        self
    }

    /// An agent that writes the name of its task into a file of that name.
    pub(crate) fn writer(self, agent: &str) -> Self {
        self.agent(agent, |job| async move {
            let task = job.task.attempt.task.to_string();
            write(&job, &task, &task);
            Ok(json!({ "by": task }))
        })
    }

    pub(crate) fn strategy(
        mut self,
        strategy: &str,
        decide: impl Fn(&Situation) -> Result<Option<Decision>, String> + Send + Sync + 'static,
    ) -> Self {
        self.plugins.strategies.insert(name(strategy), Arc::new(decide));
        self
    }

    /// What models cost is told when an attempt has ended, and not before.
    pub(crate) fn told_at_end(mut self) -> Self {
        self.plugins.tells_at_end = true;
        self
    }

    /// A strategy that never answers.
    pub(crate) fn mute_strategy(mut self, strategy: &str) -> Self {
        self.plugins.mute.push(name(strategy));
        self
    }

    pub(crate) fn base(&self) -> Digest {
        self.base
    }

    /// Runs a workflow of these `tasks`, given in YAML, with everything granted.
    pub(crate) async fn run(&self, head: &str, tasks: &str) -> Result<RunReport, EngineError> {
        let run = RunId::new("run-1").unwrap();
        let folder = self.files.folder.lock().unwrap().clone();
        let engine = self.engine();
        let report = engine.run(run, workflow(head, tasks), self.base, self.options.clone()).await;
        if let Ok(report) = &report {
            self.check(report, folder);
        }
        report
    }

    /// Another world with the same files, whose record is a copy of this one's up to a checkpoint, as of another run.
    pub(crate) fn fork(&self, last: usize) -> World {
        let mut records: Vec<_> = self.journal.records().into_iter().take(last + 1).collect();
        if let Entry::RunStarted { run, .. } = &mut records[0].entry {
            *run = RunId::new("run-2").unwrap();
        }
        let Record { at, entry: Entry::Checkpointed { number: checkpoint, .. }, .. } = records[last] else {
            panic!("record {last} is no checkpoint")
        };
        let entry = Entry::Forked { from: RunId::new("run-1").unwrap(), checkpoint };
        records.push(Record { at, task: None, attempt: None, entry });
        let files = Arc::new(self.files.copy());
        *files.folder.lock().unwrap() = files.version(self.base);
        let journal = Arc::new(FakeJournal::of(records));
        let (options, plugins, epoch) = (self.options.clone(), self.plugins.clone(), self.epoch.clone());
        World {
            files,
            journal,
            options,
            plugins,
            base: self.base,
            epoch,
            places: self.places.clone(),
            services: self.services.clone(),
            hooks: self.hooks.clone(),
            set_back: Mutex::default(),
        }
    }

    /// What the record says of the run.
    pub(crate) fn history(&self) -> History {
        History::read(self.journal.as_ref(), &RunId::new("run-1").unwrap()).unwrap()
    }

    /// Goes on with the run, as a new process would that has nothing but the record and the files.
    pub(crate) async fn resume(&self, head: &str, tasks: &str) -> Result<RunReport, EngineError> {
        self.resume_with(head, tasks, ResumeOptions::default()).await
    }

    pub(crate) async fn resume_with(
        &self,
        head: &str,
        tasks: &str,
        options: ResumeOptions,
    ) -> Result<RunReport, EngineError> {
        let history = self.history();
        assert_eq!(standing(&history), standing_by(&self.journal.records()), "{}", self.story());
        let folder = self.files.folder.lock().unwrap().clone();
        let report = self.engine().resume(history, workflow(head, tasks), options).await;
        if let Ok(report) = &report {
            self.check(report, folder);
        }
        report
    }

    /// Every attempt does the same again, along the record alone.
    pub(crate) async fn proves(&self, head: &str, tasks: &str) {
        let before = self.journal.records().len();
        for Replayed { attempt, verdict, .. } in self.replay(head, tasks).await {
            let is_kept_no_more = |reason: &str| reason.contains("kept no more");
            let proven = match &verdict {
                // What a way back cut off has no end.
                Verdict::Same | Verdict::CutOff => true,
                Verdict::Impossible(reason) => is_kept_no_more(reason),
                Verdict::Differs(_) => false,
            };
            assert!(proven, "{attempt}: {verdict:?}\n{}", self.story());
        }
        assert_eq!(self.journal.records().len(), before, "a replay records nothing");
    }

    pub(crate) async fn replay(&self, head: &str, tasks: &str) -> Vec<Replayed> {
        let mut all = Vec::new();
        let replayed = self.engine().replay(&self.history(), &workflow(head, tasks), |one| all.push(one)).await;
        replayed.unwrap();
        all
    }

    fn engine(&self) -> Engine {
        let engine = Engine::new(self.ports());
        match &self.places {
            Some(places) => engine.sharing(places),
            None => engine,
        }
    }

    fn ports(&self) -> Ports {
        Ports {
            services: self.services.clone(),
            hooks: self.hooks.clone(),
            plugins: Arc::new(self.plugins.clone()),
            workspace: Arc::new(FakeWorkspace(self.files.clone())),
            journal: self.journal.clone(),
            memories: Arc::new(FakeMemories(self.journal.clone())),
            time: Arc::new(VirtualTime(*self.epoch.get_or_init(Instant::now), *self.set_back.lock().unwrap())),
            observer: Arc::new(Unobserved),
        }
    }

    /// What holds for every run that has an end.
    fn check(&self, report: &RunReport, folder: Tree) {
        let records = self.journal.records();
        assert_eq!(records.len(), self.journal.durable(), "the end of the record is not durable");
        assert!(records.is_sorted_by_key(|record| record.at), "times run backwards");
        assert!(matches!(records[0].entry, Entry::RunStarted { .. }));
        let mut version = self.base;
        let mut states: BTreeMap<String, TaskState> = BTreeMap::new();
        for record in &records {
            let task = record.task.as_ref().map(ToString::to_string).unwrap_or_default();
            match &record.entry {
                Entry::TaskPlanned { .. } => assert_eq!(states.insert(task, TaskState::Pending), None),
                Entry::TaskChanged { from, to } => assert_eq!(states.insert(task, *to), Some(*from), "{record:?}"),
                Entry::AttemptStarted { .. } => assert_eq!(states[&task], TaskState::Running),
                Entry::RolledBack { version: then, tasks, gone, counts, .. } => {
                    version = *then;
                    states.extend(tasks.iter().map(|(task, state)| (task.to_string(), *state)));
                    states.retain(|task, _| gone.iter().all(|gone| gone.as_str() != task));
                    assert_eq!(states.len() as u64, counts.total(), "{states:?}");
                }
                Entry::Committed { base, version: new, .. } => {
                    assert_eq!(*base, version, "a commit on top of something else");
                    version = *new;
                }
                _ => {}
            }
        }
        assert_eq!(version, report.version);
        let reported = report.tasks.iter().map(|row| (row.task.to_string(), row.state)).collect();
        assert_eq!(states, reported, "the record and the report disagree");
        // Hooks are told of the end.
        let mut ends = records.iter().rev().skip_while(|record| matches!(record.entry, Entry::HookCalled { .. }));
        assert!(matches!(&ends.next().unwrap().entry, Entry::RunChanged { to, .. } if *to == report.status));
        if report.applied.is_none() {
            assert_eq!(*self.files.folder.lock().unwrap(), folder, "the folder changed behind the back of the report");
        }
    }

    /// `KIND TASK` of all records of these kinds.
    pub(crate) fn told(&self, kinds: &[&str]) -> Vec<String> {
        let told = self.journal.records().into_iter().filter_map(|record| {
            let text = serde_json::to_value(&record).unwrap();
            let kind = text["kind"].as_str().unwrap().to_owned();
            kinds.contains(&kind.as_str()).then(|| format!("{kind} {}", text["task"].as_str().unwrap_or("-")))
        });
        told.collect()
    }

    /// The problems of all incidents.
    pub(crate) fn raised(&self) -> Vec<Problem> {
        let raised = self.journal.records().into_iter().filter_map(|record| match record.entry {
            Entry::IncidentRaised { incident } => Some(incident.problem),
            _ => None,
        });
        raised.collect()
    }

    /// All records, one short line each.
    pub(crate) fn story(&self) -> String {
        let lines = self.journal.records().into_iter().map(|record| {
            let text = serde_json::to_string(&record).unwrap();
            text.chars().take(160).collect::<String>()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Actions that were refused.
    pub(crate) fn denials(&self) -> usize {
        let records = self.journal.records();
        records.iter().filter(|record| matches!(&record.entry, Entry::Action(action) if action.is_denied())).count()
    }

    /// The tasks whose attempts began, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        self.told(&["attempt-started"]).into_iter().map(|line| line.replace("attempt-started ", "")).collect()
    }

    /// What was decided, in order: the strategy, whether it decided, whether that counted.
    pub(crate) fn decisions(&self) -> Vec<(String, Option<Decision>, Option<String>)> {
        let decided = self.journal.records().into_iter().filter_map(|record| match record.entry {
            Entry::Decided { strategy, decision, error, .. } => Some((strategy.to_string(), decision, error)),
            _ => None,
        });
        decided.collect()
    }
}

/// Runs worlds that `make` makes, each cut off behind another entry of its record, with the tail that was not durable lost or on the
/// disk all the same; resumes each, and gives it to `check` with what came of it and the name of the case.
pub(crate) async fn cut_anywhere(
    make: impl Fn() -> World,
    head: &str,
    tasks: &str,
    check: impl Fn(&World, &RunReport, &str),
) {
    let whole = make();
    whole.run(head, tasks).await.unwrap();
    whole.proves(head, tasks).await;
    for room in 1..whole.journal.records().len() {
        for keep_tail in [false, true] {
            let world = make();
            world.journal.limit(room);
            world.run(head, tasks).await.unwrap_err();
            world.journal.reopen(if keep_tail { room } else { world.journal.durable().max(1) });
            let case = format!("cut at {room}, tail {}", if keep_tail { "kept" } else { "lost" });
            let report = world.resume(head, tasks).await.unwrap_or_else(|e| panic!("{case}: {e:?}\n{}", world.story()));
            check(&world, &report, &case);
        }
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// What the sandbox does where a guest asks for a checkpoint.
pub(crate) async fn checkpoint(job: &Job) -> Result<(), Problem> {
    if job.recorder.replayed().is_none_or(|action| action.operation != "checkpoint") {
        match job.committer.commit().await {
            Ok(()) => {}
            Err(NotCommitted::Refused(reason)) => return Err(Problem::new(IncidentClass::Conflict, reason)),
            Err(NotCommitted::Record(_)) => return Err(problem(IncidentClass::Fatal)),
        }
    }
    act(job, "checkpoint").map_err(|_| problem(IncidentClass::Fatal))
}

pub(crate) fn problem(class: IncidentClass) -> Problem {
    Problem::new(class, "it went wrong")
}

pub(crate) fn state(report: &RunReport, task: &str) -> TaskState {
    row(report, task).state
}

pub(crate) fn row<'a>(report: &'a RunReport, task: &str) -> &'a longhaul_engine::TaskRow {
    report.tasks.iter().find(|row| row.task.as_str() == task).unwrap()
}

/// Writes a file of the stage as a guest would: within its grant, recorded before it happens.
pub(crate) fn write(job: &Job, path: &str, text: &str) {
    let at = StagePath::new(path).unwrap();
    let denied = job.grant.check_fs(&at, longhaul_core::grant::FsAccess::Write);
    let result = denied.as_ref().err().map_or(ActionResult::Ok, ActionResult::from);
    if job.recorder.record(action("write", &format!("{path}: {text}"), result)).is_ok() && denied.is_ok() {
        let mode = OpenMode::Write { create: Create::IfMissing, truncate: true };
        job.stage.open(&at, mode).unwrap().write_at(text.as_bytes(), 0).unwrap();
    }
}

/// Waits until `span` after the attempt began, as a guest does: the answer is recorded, and until it is there the attempt is
/// suspended.
pub(crate) async fn wait(job: &Job, span: Duration) -> Result<(), Problem> {
    let due = Timestamp(job.began.0 + span.as_millis() as u64);
    job.reach.children.publish().await.map_err(|_| problem(IncidentClass::Fatal))?;
    if job.recorder.replayed().is_none() && job.clock.now() < due {
        return Err(suspended(&Wait::until(due)));
    }
    act(job, "wait").map_err(|_| problem(IncidentClass::Fatal))
}

/// What an agent of these tests ends with to be suspended.
pub(crate) fn suspended(wait: &Wait) -> Problem {
    Problem::new(IncidentClass::Fatal, SUSPENDED).with_evidence(serde_json::to_value(wait).unwrap())
}

/// Asks for a child by the agent `hand`, as a guest does.
pub(crate) fn spawn(job: &Job, child: &str, input: Value, needs: &[&str]) -> Result<TaskId, Problem> {
    let id = job.reach.children.spawn(child, new_child("hand", input, needs));
    act(job, "spawn").map_err(|_| problem(IncidentClass::Fatal))?;
    id.map_err(|error| Problem::new(IncidentClass::Fatal, error.to_string()))
}

pub(crate) fn new_child(agent: &str, input: Value, needs: &[&str]) -> NewChild {
    let needs = needs.iter().map(|need| (*need).to_owned()).collect();
    NewChild { worker: Worker::Agent(agent.to_owned()), input, needs, priority: 0 }
}

/// Makes some host call.
pub(crate) fn act(job: &Job, operation: &'static str) -> Result<(), RecordError> {
    job.recorder.record(action(operation, "", ActionResult::Ok))
}

fn action(operation: &'static str, resource: &str, result: ActionResult) -> AttemptEvent {
    AttemptEvent::Action(Action {
        number: 0,
        capability: Capability::Fs,
        operation: operation.into(),
        resource: resource.to_owned(),
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: None,
        result,
    })
}

pub(crate) fn read(job: &Job, path: &str) -> Option<String> {
    let file = job.stage.open(&StagePath::new(path).unwrap(), OpenMode::Read).ok()?;
    let mut buffer = vec![0; file.node().size as usize];
    file.read_at(&mut buffer, 0).unwrap();
    Some(String::from_utf8(buffer).unwrap())
}

#[derive(Clone, Default)]
struct FakePlugins {
    agents: BTreeMap<Name, Agent>,
    strategies: BTreeMap<Name, Strategy>,
    mute: Vec<Name>,
    /// Whether what models cost is told when an attempt has ended, and not before.
    tells_at_end: bool,
}

/// Adds up what an agent says that it spent.
struct Tally {
    sum: Arc<Mutex<Spent>>,
    of: Option<Arc<dyn Meter>>,
}

impl Meter for Tally {
    fn so_far(&self, spent: Spent) {
        *self.sum.lock().unwrap() = spent;
        if let Some(meter) = &self.of {
            meter.so_far(spent);
        }
    }
}

fn info(name: &Name) -> PluginInfo {
    let all = FsPermissions { read: vec!["**".into()], write: vec!["**".into()] };
    let asks = Permissions { fs: Some(all), ..Permissions::default() };
    PluginInfo { digest: Digest::of(name.as_str().as_bytes()), version: "0.1.0".into(), asks }
}

impl Plugins for FakePlugins {
    fn agent(&self, name: &Name) -> Option<PluginInfo> {
        self.agents.get(name).map(|_| info(name))
    }

    fn strategy(&self, name: &Name) -> Option<PluginInfo> {
        (self.strategies.contains_key(name) || self.mute.contains(name)).then(|| info(name))
    }

    fn run_agent<'a>(&'a self, agent: &'a Name, job: Job) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            let (limits, began, tally) = (job.limits.clone(), Instant::now(), Arc::new(Mutex::new(Spent::default())));
            let meter = Tally { sum: tally.clone(), of: (!self.tells_at_end).then(|| job.meter.clone()) };
            let job = Job { meter: Arc::new(meter), ..job };
            let recall = job.recall.clone();
            let worked = tokio::select! {
                biased;
                worked = tokio::time::timeout(limits.time, self.agents[agent](job)) => worked,
                problem = recall.recalled() => Ok(Err(problem)),
            };
            let spent = limits.fuel.min(Fuel(FUEL));
            let result = match worked {
                Err(_) => Err(problem(IncidentClass::Timeout)),
                Ok(Err(problem)) if problem.message == SUSPENDED => {
                    return Ran::Suspended(serde_json::from_value(problem.evidence).unwrap());
                }
                Ok(_) if limits.fuel < Fuel(FUEL) => Err(problem(IncidentClass::Exhausted)),
                Ok(Ok(output)) => match output.get("continue") {
                    Some(state) => Ok(Outcome::ContinueAsNew(state.clone())),
                    None => Ok(Outcome::Completed(output)),
                },
                Ok(Err(problem)) => Err(problem),
            };
            let Spent { tokens, money } = *tally.lock().unwrap();
            let usage =
                Usage { fuel: spent, memory: Bytes(1 << 20), time: began.elapsed(), tokens, money, ..Usage::default() };
            Ran::Ended(AttemptReport { result, usage })
        })
    }

    fn decide<'a>(
        &'a self,
        strategy: &'a Name,
        situation: Situation,
        _: Arc<dyn Recorder>,
    ) -> BoxFuture<'a, Result<Option<Decision>, String>> {
        Box::pin(async move {
            match self.strategies.get(strategy) {
                Some(decide) => decide(&situation),
                None => std::future::pending().await,
            }
        })
    }
}

/// A journal whose disk can fill up.
#[derive(Default)]
pub(crate) struct FakeJournal {
    reads: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: Vec<Record>,
    durable: usize,
    flushes: usize,
    /// After this many records the disk is full.
    room: Option<usize>,
    full: bool,
}

impl FakeJournal {
    pub(crate) fn records(&self) -> Vec<Record> {
        self.inner.lock().unwrap().records.clone()
    }

    /// How many pages were read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn durable(&self) -> usize {
        self.inner.lock().unwrap().durable
    }

    /// How often it was flushed.
    pub(crate) fn flushes(&self) -> usize {
        self.inner.lock().unwrap().flushes
    }

    fn of(records: Vec<Record>) -> Self {
        let durable = records.len();
        Self { inner: Mutex::new(Inner { records, durable, ..Inner::default() }), ..Self::default() }
    }

    pub(crate) fn limit(&self, room: usize) {
        self.inner.lock().unwrap().room = Some(room);
    }

    /// What a new process finds: the first `kept` records, on a disk with room again.
    pub(crate) fn reopen(&self, kept: usize) {
        let mut inner = self.inner.lock().unwrap();
        assert!(kept >= inner.durable, "what is durable is not lost");
        inner.records.truncate(kept);
        *inner = Inner { durable: kept, records: std::mem::take(&mut inner.records), ..Inner::default() };
    }
}

impl Inner {
    fn check(&self) -> Result<(), JournalError> {
        if self.full { Err(JournalError::DiskFull("no space left".into())) } else { Ok(()) }
    }
}

impl Records for FakeJournal {
    fn read(&self, _: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        /// Few, so that reading goes on over several pages.
        const PAGE: usize = 3;
        let inner = self.inner.lock().unwrap();
        let first = query.after.map_or(0, |after| after.0 as usize + 1);
        let wanted = |record: &Record| {
            let detail = matches!(
                record.entry,
                Entry::Intended(_) | Entry::Action(_) | Entry::Log { .. } | Entry::Progress { .. }
            );
            (query.details || !detail) && query.task.as_ref().is_none_or(|task| record.task.as_ref() == Some(task))
        };
        let records = inner.records.iter().enumerate().skip(first).filter(|(_, record)| wanted(record));
        Ok(records.take(PAGE).map(|(i, record)| (Position(i as u64), record.clone())).collect())
    }

    fn newest(&self, _: &RunId) -> Result<Timestamp, JournalError> {
        Ok(self.inner.lock().unwrap().records.last().unwrap().at)
    }
}

impl Journal for FakeJournal {
    fn append(&self, _: &RunId, record: &Record) -> Result<Position, JournalError> {
        let mut inner = self.inner.lock().unwrap();
        inner.full |= inner.room == Some(inner.records.len());
        inner.check()?;
        inner.records.push(record.clone());
        Ok(Position(inner.records.len() as u64 - 1))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async {
            // A flush takes a moment, and what comes meanwhile is not part of it.
            let until = {
                let mut inner = self.inner.lock().unwrap();
                inner.flushes += 1;
                inner.records.len()
            };
            tokio::task::yield_now().await;
            let mut inner = self.inner.lock().unwrap();
            inner.check()?;
            inner.durable = inner.durable.max(until);
            Ok(())
        })
    }
}

pub(crate) fn workflow(head: &str, tasks: &str) -> Workflow {
    let text = format!(
        "version: 1\nname: test\npermissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }}, exec: [[any], [make], [test]], messages: [\"*\"] }}\n{head}\ntasks:\n{tasks}\n"
    );
    let mut workflow = parse("test.workflow.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    // Most tests are about what is done, and many of their tasks do the same.
    if !text.contains("reuse: true") {
        workflow.tasks.values_mut().for_each(|spec| spec.reuse = false);
    }
    workflow
}

struct VirtualTime(Instant, Duration);

impl Clock for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.0.elapsed().as_millis() as u64 - self.1.as_millis() as u64)
    }
}

impl Time for VirtualTime {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// Where the history says that each task stands, and whether an attempt of it goes on.
fn standing(history: &History) -> BTreeMap<String, (TaskState, bool)> {
    history.standing().iter().map(|one| (one.task.to_string(), (one.state, one.goes_on))).collect()
}

/// The same, read off the record entry by entry.
fn standing_by(records: &[Record]) -> BTreeMap<String, (TaskState, bool)> {
    let mut tasks: BTreeMap<String, (TaskState, bool)> = BTreeMap::new();
    for record in records {
        if let Entry::Forked { .. } = record.entry {
            tasks.values_mut().for_each(|(_, is_begun)| *is_begun = false);
        }
        if let Entry::RolledBack { tasks: changed, gone, .. } = &record.entry {
            tasks.retain(|task, _| gone.iter().all(|gone| gone.as_str() != task));
            tasks.extend(changed.iter().map(|(task, state)| (task.to_string(), (*state, false))));
            // Nothing that was under way then goes on, but for what had only to be said to be done.
            continue;
        }
        let Some(task) = record.task.as_ref().map(ToString::to_string) else { continue };
        if let Entry::Published(outbox) | Entry::Committed { published: outbox, .. } = &record.entry {
            for child in &outbox.spawned {
                tasks.entry(child.task.to_string()).or_insert((TaskState::Pending, false));
            }
        }
        let (state, is_begun) = tasks.entry(task).or_insert((TaskState::Pending, false));
        match &record.entry {
            Entry::AttemptStarted { .. } => *is_begun = true,
            Entry::TaskChanged { from, to } => {
                *state = *to;
                // Only one that waits goes on where it was when it runs again.
                *is_begun &= *to != TaskState::Pending || *from == TaskState::Waiting;
            }
            _ => {}
        }
    }
    let goes_on = |(task, (state, is_begun))| (task, (state, is_begun && state == TaskState::Running));
    tasks.into_iter().map(goes_on).collect()
}
