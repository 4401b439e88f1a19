//! One process that carries a run, from its start to its end or death: everything opened as the command line opens it.

use crate::ground::Ground;
use crate::journal::SimJournal;
use crate::plugins::SimPlugins;
use crate::workspace::SimWorkspace;
use crate::world::{Process, VirtualTime, World};
use longhaul_core::clock::Clock;
use longhaul_core::entry::Budget;
use longhaul_core::state::RunState;
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::error::WorkflowErrors;
use longhaul_core::workflow::model::Workflow;
use longhaul_core::workflow::parse::parse;
use longhaul_engine::ports::{JournalError, Observer, Ports};
use longhaul_engine::{Engine, EngineError, History, HistoryError, ResumeOptions, RunControl, RunOptions, RunReport};
use longhaul_store::{Journal, LockError, Options, Reader, StateLock, StoreError};
use longhaul_wiring::{ImportFailed, JournalPort, MemoryPort, OpenError, Place, RecordsPort, WorkspacePort};
use std::sync::Arc;
use std::time::Duration;

/// What a person gives a run more whose time is used up.
const MORE_TIME: Duration = Duration::from_secs(7 * 3600 + 1800);

/// How a process left its run.
#[derive(Debug)]
pub(crate) enum End {
    /// At rest.
    Rested(Box<RunReport>),
    /// It was at rest before, and done.
    WasDone,
    /// The process died.
    Died,
    /// The disk was full.
    DiskFull,
}

/// A process that is over.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) end: End,
    /// How long it lasted.
    pub(crate) lasted: Duration,
    /// What time it was then.
    pub(crate) until: Timestamp,
}

/// What no fault explains.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifeError {
    #[error("the simulation's own machine failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the workflow is not valid: {0}")]
    Workflow(#[from] WorkflowErrors),
    #[error("the state folder cannot be taken: {0}")]
    Lock(#[from] LockError),
    #[error("the record cannot be opened: {0}")]
    Store(#[from] StoreError),
    #[error("the workspace cannot be opened: {0}")]
    Workspace(#[from] OpenError),
    #[error("the project cannot be imported: {0}")]
    Import(#[from] ImportFailed),
    #[error("the record cannot be understood: {0}")]
    History(#[from] HistoryError),
    #[error("the record cannot be written: {0}")]
    Journal(#[from] JournalError),
    #[error("the engine could not go on: {0}")]
    Engine(#[from] EngineError),
    #[error("{0} are left after the process has ended")]
    Left(String),
}

/// Lets one process begin the run, or go on with it, at the time `now`.
pub(crate) fn live(
    ground: &Ground,
    world: &Arc<World>,
    now: Timestamp,
    observer: Arc<dyn Observer>,
) -> Result<Life, LifeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let (life, opened) = runtime.block_on(async {
        let process = Process::start(world, now);
        let opened = Opened::open(ground, &process)?;
        let end = opened.carry(ground, &process, observer).await;
        let time: &VirtualTime = &process.time;
        let life = end.map(|end| Life { end, lasted: time.elapsed(), until: time.now() });
        Ok::<_, LifeError>((life, opened))
    })?;
    let open = (world.tally.instances.count(), world.tally.stages.count());
    drop(runtime);
    let gone = (world.tally.instances.count(), world.tally.stages.count());
    let left = opened.journal.end()?;
    opened.store.close()?;
    let life = life?;
    let is_clean = match life.end {
        // What rests has nothing under way, and nothing that is not on the disk.
        End::Rested(_) => (open, left) == ((0, 0), 0),
        _ => gone == (0, 0),
    };
    if !is_clean || gone != (0, 0) {
        let (instances, stages) = open;
        return Err(LifeError::Left(format!("{instances} instances, {stages} stages and {left} entries not written")));
    }
    Ok(life)
}

/// What a process holds.
struct Opened {
    workflow: Workflow,
    /// What the record has of the run, where it has it.
    history: Option<History>,
    journal: Arc<SimJournal>,
    workspace: Arc<SimWorkspace>,
    store: Journal,
}

impl Opened {
    fn open(ground: &Ground, process: &Arc<Process>) -> Result<Self, LifeError> {
        let Ground { root, state, run, source, .. } = ground;
        let workflow = parse("simulated.workflow.yaml", source)?;
        let lock = Arc::new(StateLock::acquire(state, process.time.now(), "simulation")?);
        let port = WorkspacePort::open(root, &lock, &workflow.workspace, Place::Inline)?;
        port.works_on(run);
        let store = Journal::open(Arc::clone(&lock), Options::default())?;
        let (history, next, journal) = match Reader::open(state)?.run(run) {
            Err(StoreError::NoSuchRun { .. }) => {
                (None, 0, JournalPort::new(store.clone(), Reader::open(state)?, Place::Inline))
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let history = History::read(&RecordsPort::new(Reader::open(state)?), run)?;
                let next = store.open_run(run)?.next_position().0;
                let port = JournalPort::resume(store.clone(), Reader::open(state)?, run, Place::Inline)?;
                (Some(history), next, port)
            }
        };
        let next = longhaul_core::entry::Position(next);
        let journal = Arc::new(SimJournal::new(process, run, store.clone(), journal, next));
        let workspace = Arc::new(SimWorkspace::new(process, port, state));
        Ok(Self { workflow, history, journal, workspace, store })
    }

    async fn carry(
        &self,
        ground: &Ground,
        process: &Arc<Process>,
        observer: Arc<dyn Observer>,
    ) -> Result<End, LifeError> {
        if self.history.as_ref().is_some_and(|history| history.state == RunState::Completed) {
            return Ok(End::WasDone);
        }
        let engine = Engine::new(Ports {
            services: longhaul_core::reach::Services::default(),
            hooks: Arc::new(longhaul_core::hook::NoHooks),
            plugins: Arc::new(SimPlugins { process: Arc::clone(process), project: ground.project }),
            workspace: Arc::clone(&self.workspace) as _,
            journal: Arc::clone(&self.journal) as _,
            memories: Arc::new(MemoryPort::new(&ground.state, Place::Inline)?),
            time: Arc::clone(&process.time) as _,
            observer,
        });
        let control = RunControl::default();
        let rates = process.world.rates();
        let within = |mean: Option<Duration>| mean.map(|mean| process.world.dice().span(Duration::ZERO, mean * 2));
        let (kill, pause) = (within(rates.kills), within(rates.pauses));
        let after = async |span: Option<Duration>| match span {
            Some(span) => tokio::time::sleep(span).await,
            None => std::future::pending().await,
        };
        let ended = tokio::select! {
            biased;
            () = process.died() => None,
            () = after(kill) => None,
            () = async {
                after(pause).await;
                control.pause();
                std::future::pending().await
            } => None,
            ended = self.work(&engine, ground, &control) => Some(ended),
        };
        let is_dead = process.is_dead() || ended.is_none();
        process.die();
        match ended {
            _ if is_dead => Ok(End::Died),
            Some(Err(LifeError::Engine(EngineError::Journal { source: JournalError::DiskFull(_), .. }))) => {
                Ok(End::DiskFull)
            }
            Some(Err(error)) => Err(error),
            Some(Ok(report)) => Ok(End::Rested(Box::new(report))),
            None => Ok(End::Died),
        }
    }

    /// Lets the engine begin or go on.
    async fn work(&self, engine: &Engine, ground: &Ground, control: &RunControl) -> Result<RunReport, LifeError> {
        let workflow = self.workflow.clone();
        match &self.history {
            None => {
                let base = self.workspace.import().await?;
                let options = RunOptions {
                    file: "simulated.workflow.yaml".to_owned(),
                    source: ground.source.clone(),
                    host: "simulation".to_owned(),
                    seed: 1,
                    control: control.clone(),
                    ..RunOptions::default()
                };
                Ok(engine.run(ground.run.clone(), workflow, base, options).await?)
            }
            Some(history) => {
                let used_up = history.state == RunState::Exhausted;
                let budget = history.budget(&workflow);
                let raised = Budget { wall_time: budget.wall_time + MORE_TIME, ..budget };
                let budget = used_up.then_some(raised);
                let options = ResumeOptions {
                    host: "simulation".to_owned(),
                    budget,
                    control: control.clone(),
                    ..ResumeOptions::default()
                };
                Ok(engine.resume(history.clone(), workflow, options).await?)
            }
        }
    }
}
