//! Begins a run or goes on with one, and sees it to its end.

use crate::board::Board;
use crate::captures::Captures;
use crate::deadlines::Deadlines;
use crate::error::{EngineError, Halt};
use crate::executor::{Grants, Readable};
use crate::forward::Forward;
use crate::history::History;
use crate::hooks::{Callers, Tap, Told};
use crate::ledger::Ledger;
use crate::mail::{Boxes, Mail};
use crate::options::{Apply, ResumeOptions, RunControl, RunOptions};
use crate::orchestrator::{Book, Dispatcher, Outputs};
use crate::places::Places;
use crate::ports::{PluginInfo, Ports};
use crate::questions::{Forum, Questions};
use crate::report::RunReport;
use crate::room::Room;
use crate::shared::{Configured, Head, Shared, Stop};
use crate::spending::{Spending, Used};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Budget, Entry};
use longhaul_core::grant::Permissions;
use longhaul_core::graph::Graph;
use longhaul_core::id::{Name, RunId};
use longhaul_core::manifest::PluginKind;
use longhaul_core::state::{RunEvent, RunState};
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::expr::{Scope, Template};
use longhaul_core::workflow::model::Workflow;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Runs workflows on its ports.
#[derive(Clone)]
pub struct Engine {
    pub(crate) ports: Ports,
    /// The places for attempts that it shares with others.
    pub(crate) places: Option<Places>,
}

/// What a run starts from: nothing, or what the record holds.
struct Start {
    run: RunId,
    inputs: Map<String, Value>,
    policy: Option<Permissions>,
    seed: u64,
    started: Timestamp,
    /// How long it was under way before.
    active: Duration,
    /// The time of the last record.
    last: Timestamp,
    version: Digest,
    used: Used,
    budget: Budget,
    boxes: Boxes,
    questions: Questions,
}

impl Engine {
    /// An engine on these ports.
    pub fn new(ports: Ports) -> Self {
        Self { ports, places: None }
    }

    /// The same, whose attempts take places that the runs of other engines take too.
    #[must_use]
    pub fn sharing(self, places: &Places) -> Self {
        Self { places: Some(places.clone()), ..self }
    }

    /// Runs `workflow` from version `base` of its workspace to an end.
    ///
    /// A run whose tasks fail has an end too: see [`RunReport::status`]. Needs a Tokio runtime. To end it early use
    /// [`RunOptions::control`] and go on polling: a dropped future leaves the record without an end.
    ///
    /// # Errors
    /// [`EngineError`] where it could not begin, or the record was lost.
    #[tracing::instrument(name = "run", skip_all, fields(run = %run, workflow = %workflow.name))]
    pub async fn run(
        &self,
        run: RunId,
        workflow: Workflow,
        base: Digest,
        options: RunOptions,
    ) -> Result<RunReport, EngineError> {
        let graph = Graph::new(&workflow)?;
        let RunOptions { file, source, host, isolation, inputs, policy, scripts, seed, apply, control } = options;
        let started = self.ports.time.now();
        let start = Start {
            run: run.clone(),
            inputs: inputs.clone(),
            policy: policy.clone(),
            seed,
            started,
            active: Duration::ZERO,
            last: Timestamp(0),
            version: base,
            used: Used::default(),
            budget: workflow.budget,
            boxes: Boxes::default(),
            questions: Questions::default(),
        };
        let facts = start.facts(&workflow);
        let shared = Arc::new(self.share(start, &workflow, &facts)?);
        let workflow = Arc::new(workflow);
        let halt = |halt: Halt| halt.of_run(run.clone());
        let entry = Entry::RunStarted {
            run: run.clone(),
            workflow: workflow.name.to_string(),
            file,
            source,
            base,
            host,
            isolation,
            inputs: inputs.clone(),
            policy,
            seed,
            apply: apply == Apply::OnSuccess,
            keep: workflow.checkpoints.keep,
            scripts,
        };
        announce(&shared, entry).map_err(halt)?;
        let book = Book::new(&workflow, graph, &shared).map_err(halt)?;
        // Nothing is done for a run that the record might not know.
        shared.ledger.flush().await.map_err(|error| halt(error.into()))?;
        let outputs = Outputs::new(&workflow, inputs, facts, shared.room.clone());
        let time_left = shared.spending.budget().wall_time;
        let dispatcher = Dispatcher::new(shared.clone(), workflow.clone(), book, outputs);
        let told = Told::default();
        let life = Life { shared, dispatcher, told, state: RunState::Running, base, started, apply, time_left };
        self.see_to_end(life, &workflow, &control).await
    }

    /// Goes on with a run from where its record ends, as [`Engine::run`] would have gone on: what was completed is not done
    /// again, and what was under way is done again along its record.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot go on, or the record was lost. A run that is over does not go on; its hooks are told what they were not.
    #[tracing::instrument(name = "resume", skip_all, fields(run = %history.run, workflow = %workflow.name))]
    pub async fn resume(
        &self,
        mut history: History,
        workflow: Workflow,
        options: ResumeOptions,
    ) -> Result<RunReport, EngineError> {
        let run = history.run.clone();
        if !history.state.can_resume() {
            self.tell_the_rest(&history, &workflow).await?;
            return Err(EngineError::Over { run, state: history.state });
        }
        let ResumeOptions { host, isolation, budget, control } = options;
        let workflow = Arc::new(workflow);
        let shared = self.share_again(&history, &workflow, budget)?;
        same_plugins(&shared, &history)?;
        let halt = |halt: Halt| halt.of_run(run.clone());
        let resumed = Entry::RunResumed { host, isolation, budget, worked: Some(history.active) };
        history.state = go_on(&shared, &history, resumed).map_err(halt)?;
        let life = bring_back(shared, history, &workflow, &control).await?;
        self.see_to_end(life, &workflow, &control).await
    }

    /// Tells the hooks of a run that is over what a crash kept them from being told.
    async fn tell_the_rest(&self, history: &History, workflow: &Workflow) -> Result<(), EngineError> {
        if workflow.hooks.is_empty() {
            return Ok(());
        }
        let shared = self.share_again(history, workflow, None)?;
        let told = Callers::begin(&shared, workflow, &history.told).finish().await;
        told.map_err(|error| Halt::from(error).of_run(history.run.clone()))
    }

    /// Works until the run is over: once more from an older checkpoint each time that a strategy decides so.
    async fn see_to_end(
        &self,
        mut life: Life,
        workflow: &Arc<Workflow>,
        control: &RunControl,
    ) -> Result<RunReport, EngineError> {
        let mut orders = control.orders();
        loop {
            let Life { shared, mut dispatcher, told, state, base, started, apply, time_left } = life;
            let callers = Callers::begin(&shared, workflow, &told);
            let run = dispatcher.run().clone();
            let halt = |halt: Halt| halt.of_run(run.clone());
            dispatcher.work(&mut orders, base, time_left).await.map_err(halt)?;
            if !dispatcher.go_back().await.map_err(halt)? {
                let report = dispatcher.finish(state, base, started, apply).await.map_err(halt)?;
                callers.finish().await.map_err(|error| halt(error.into()))?;
                return Ok(report);
            }
            callers.leave().await.map_err(|error| halt(error.into()))?;
            drop(dispatcher);
            orders.live_on();
            let lost = |error| Halt::Defect(format!("it cannot be read where it goes on from: {error}"));
            let history = History::read(self.ports.journal.as_ref(), &run).map_err(|error| halt(lost(error)))?;
            let shared = self.share_again(&history, workflow, None)?;
            life = bring_back(shared, history, workflow, control).await?;
        }
    }

    /// What holds for a run that goes on.
    pub(crate) fn share_again(
        &self,
        history: &History,
        workflow: &Workflow,
        budget: Option<Budget>,
    ) -> Result<Arc<Shared>, EngineError> {
        let start = Start {
            run: history.run.clone(),
            inputs: history.inputs.clone(),
            policy: history.policy.clone(),
            seed: history.seed,
            started: history.started,
            active: history.active,
            last: history.last,
            version: history.version,
            used: history.used,
            budget: budget.unwrap_or_else(|| history.budget(workflow)),
            boxes: history.boxes.clone(),
            questions: history.questions.clone(),
        };
        let facts = start.facts(workflow);
        self.share(start, workflow, &facts).map(Arc::new)
    }

    /// Works out what holds for the whole run.
    fn share(&self, start: Start, workflow: &Workflow, facts: &Value) -> Result<Shared, EngineError> {
        let scope = Scope { inputs: &start.inputs, tasks: &BTreeMap::new(), item: None, run: facts };
        let evaluate = |template: &Template, field: String| {
            template.evaluate(&scope).map_err(|source| EngineError::Evaluate { field, source })
        };
        let mut agents = BTreeMap::new();
        for (name, spec) in &workflow.agents {
            let info = loaded(PluginKind::Agent, name, self.ports.plugins.agent(name))?;
            let config = evaluate(&spec.config, format!("agents.{name}.config"))?;
            agents.insert(
                name.clone(),
                Configured { info, config, model: spec.model.clone(), skills: spec.skills.clone() },
            );
        }
        let mut strategies = BTreeMap::new();
        for (name, spec) in &workflow.strategies {
            let info = loaded(PluginKind::Strategy, name, self.ports.plugins.strategy(name))?;
            let config = evaluate(&spec.config, format!("strategies.{name}.config"))?;
            strategies.insert(name.clone(), Configured { info, config, model: None, skills: BTreeSet::new() });
        }
        let mut objective = match evaluate(&workflow.objective, "objective".to_owned())? {
            Value::String(text) => text,
            Value::Object(empty) if empty.is_empty() => String::new(),
            other => other.to_string(),
        };
        if !workflow.prompt.is_empty() {
            objective = [objective.as_str(), workflow.prompt.as_str()].join("\n\n").trim_start().to_owned();
        }
        let time = Forward::from(self.ports.time.clone(), start.last);
        let ports = Ports { time, ..self.ports.clone() };
        let room = Arc::<Room>::default();
        Ok(Shared {
            ledger: Arc::new(Ledger::new(start.run.clone(), &ports, start.last, Tap::new(workflow.hooks.values()))),
            run: start.run,
            workflow: workflow.name.clone(),
            objective,
            policy: start.policy,
            grants: Grants::new(workflow.approvals.clone()),
            agents,
            strategies,
            checks: workflow.checks.clone(),
            seed: start.seed,
            ports,
            head: Head::new(start.version),
            in_use: Arc::default(),
            readable: Readable::default(),
            captures: Captures::default(),
            board: Board::new(room.clone()),
            mail: Arc::new(Mail::new(start.boxes)),
            forum: Arc::new(Forum::new(start.questions)),
            spending: Spending::new(start.budget, start.used),
            room,
            seat: self.places.as_ref().map(Places::join),
            deadlines: Deadlines::new(workflow, start.active),
            stop: Stop::new(),
            proves: false,
        })
    }
}

impl Start {
    /// What expressions see of the run.
    fn facts(&self, workflow: &Workflow) -> Value {
        run_facts(&self.run, workflow, self.started)
    }
}

/// A run from its beginning, or from where it goes on, to its end or the next time it goes back.
struct Life {
    shared: Arc<Shared>,
    /// What hooks were told before.
    told: Told,
    dispatcher: Dispatcher,
    state: RunState,
    base: Digest,
    started: Timestamp,
    apply: Apply,
    /// How long it may be under way still.
    time_left: Duration,
}

/// Brings a run to where its record says it is.
async fn bring_back(
    shared: Arc<Shared>,
    mut history: History,
    workflow: &Arc<Workflow>,
    control: &RunControl,
) -> Result<Life, EngineError> {
    let run = history.run.clone();
    let halt = |halt: Halt| halt.of_run(run.clone());
    let graph = Graph::new(workflow)?;
    let facts = run_facts(&run, workflow, history.started);
    shared.ledger.kept.restore(&history);
    shared.captures.restore(&history);
    let (known, gone) = (std::mem::take(&mut history.tasks), std::mem::take(&mut history.gone));
    let book = Book::restoring(workflow, graph, &shared, known, gone).map_err(halt)?;
    let outputs = Outputs::new(workflow, std::mem::take(&mut history.inputs), facts, shared.room.clone());
    let time_left = shared.spending.budget().wall_time.saturating_sub(history.active);
    let mut dispatcher = Dispatcher::new(shared.clone(), workflow.clone(), book, outputs);
    if control.is_to_end() {
        // What was under way is brought to where it was, and does nothing more.
        shared.stop.give();
    }
    dispatcher.restore(&history).map_err(halt)?;
    shared.ledger.flush().await.map_err(|error| halt(error.into()))?;
    let History { told, state, base, started, apply, .. } = history;
    Ok(Life { shared, told, dispatcher, state, base, started, apply, time_left })
}

/// What expressions see of a run.
pub(crate) fn run_facts(run: &RunId, workflow: &Workflow, started: Timestamp) -> Value {
    json!({ "id": run.as_str(), "workflow": workflow.name.as_str(), "started": started.to_string() })
}

fn loaded(kind: PluginKind, name: &Name, info: Option<PluginInfo>) -> Result<PluginInfo, EngineError> {
    info.ok_or_else(|| EngineError::PluginMissing { kind, name: name.to_string() })
}

/// All plugins of a run with their kinds.
fn plugins(shared: &Shared) -> impl Iterator<Item = (PluginKind, &Name, &PluginInfo)> {
    let kinds = [(PluginKind::Agent, &shared.agents), (PluginKind::Strategy, &shared.strategies)];
    kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |(name, configured)| (kind, name, &configured.info)))
}

/// Records that the run begins, and which plugins take part.
fn announce(shared: &Shared, started: Entry) -> Result<(), Halt> {
    shared.ledger.run(started)?;
    plugins(shared).try_for_each(|(kind, name, info)| announce_plugin(shared, kind, name, info))
}

fn announce_plugin(shared: &Shared, plugin: PluginKind, name: &Name, info: &PluginInfo) -> Result<(), Halt> {
    let PluginInfo { digest, version, .. } = info;
    let used = Entry::PluginUsed { name: name.clone(), plugin, digest: *digest, version: version.clone() };
    shared.ledger.run(used)?;
    Ok(())
}

/// Only the components that a run began with can go on with it: another one would not do the same along the record.
pub(crate) fn same_plugins(shared: &Shared, history: &History) -> Result<(), EngineError> {
    for (kind, name, info) in plugins(shared) {
        match history.plugin(kind, name) {
            Some(recorded) if recorded != info.digest => {
                let (name, found) = (name.to_string(), info.digest);
                return Err(EngineError::PluginChanged { kind, name, recorded, found });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Records that the run goes on; gives the state in which it does.
fn go_on(shared: &Shared, history: &History, resumed: Entry) -> Result<RunState, Halt> {
    shared.ledger.run(resumed)?;
    // A run that was killed as it began may have been about to say so.
    for (kind, name, info) in plugins(shared).filter(|(kind, name, _)| history.plugin(*kind, name).is_none()) {
        announce_plugin(shared, kind, name, info)?;
    }
    let state = history.state;
    if !state.is_final() {
        return Ok(state);
    }
    let to = state.after(RunEvent::Resume)?;
    shared.ledger.run(Entry::RunChanged { from: state, to, reason: String::new() })?;
    Ok(to)
}
