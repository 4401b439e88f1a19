//! A process that carries a run: what it holds meanwhile, opened in order, and how the run comes to its end in it.
//!
//! ```text
//!   open ──► sandbox, plugins: checked, and nothing made yet
//!     └──► enter ──► lock, log, record, workspace: the state folder is this process's
//!             └──► carry ──► engine, signals, requests ──► what came of it
//! ```

mod answers;
mod bell;
mod ending;
mod notice;
mod replay;
mod request;
mod stop;

pub(crate) use answers::give_answer;
pub(crate) use request::{Request, ask};

use crate::configuration::Configuration;
use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::keys;
use crate::logging;
use crate::progress::Progress;
use crate::state;
use crate::wiring::{Loaded, Source, import, open_workspace, sandbox, services};
use bell::Bell;
use ending::Came;
use longhaul_core::digest::Digest;
use longhaul_core::id::RunId;
use longhaul_core::reach::Services;
use longhaul_engine::ports::Ports;
use longhaul_engine::{Engine, EngineError, RunControl, RunReport};
use longhaul_sandbox::{Sandbox, SandboxError, WallPolicy, WallStatus};
use longhaul_store::{Journal, Reader, StateLock};
use longhaul_wiring::{HooksPort, JournalPort, MachineTime, MemoryPort, Place, WorkspacePort};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use stop::Signals;

/// Instances that there is room for beyond those of the tasks: one whose time is up keeps its place until it is gone.
const SPARE: u32 = 8;

/// How a run is shown and guarded: options that all commands which carry one share.
#[derive(Debug, Clone, clap::Args, Default)]
pub(crate) struct Manner {
    /// Refuse to run where the kernel cannot confine the agents' threads, or keep commands apart from files, network and processes
    #[arg(long)]
    require_isolation: bool,
    /// Run PROGRAM where the run ends failed, escalated or out of budget, with the line of `--json` on its stdin, and where an agent asks
    /// a person
    #[arg(long, value_name = "PROGRAM")]
    notify: Option<PathBuf>,
    /// Let commands read DIR and run programs of its `bin`, beside those of the system; may be repeated
    #[arg(long, value_name = "DIR")]
    tools: Vec<PathBuf>,
    /// Stay up where only people can bring the run on, and wait for `longhaul answer`; without this the run is paused then
    #[arg(long)]
    wait: bool,
    /// The file that says how models are reached [default: LONGHAUL_CONFIG, or longhaul/config.toml in your config folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show no live progress
    #[arg(long, short)]
    quiet: bool,
    /// End with one line of JSON on stdout instead of the report
    #[arg(long)]
    json: bool,
}

impl Manner {
    /// Whether JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
}

/// Runs `work` to its end on the host's threads.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("longhaul-host")
        .enable_all()
        .build()
        .map_err(|e| Failure::of(Exit::Internal, "start the host's threads", &e))?;
    runtime.block_on(work)
}

/// What can be had before anything is made: the plugins, loaded and checked, in their sandbox.
pub(crate) struct Session {
    given: Given,
    state: PathBuf,
    sandbox: Sandbox,
    plugins: Loaded,
    services: Services,
    /// Where the run is shown.
    pub(crate) progress: Arc<Progress>,
    manner: Manner,
}

impl Manner {
    /// Nothing is shown, and nothing more is demanded than what holds anyway.
    pub(crate) fn silent() -> Self {
        Self { quiet: true, ..Self::default() }
    }
}

/// A session whose state folder is this process's.
pub(crate) struct Entered {
    session: Session,
    lock: Arc<StateLock>,
    signals: Signals,
    store: Journal,
    /// The versions of the workspace.
    pub(crate) workspace: Arc<WorkspacePort>,
}

impl Session {
    /// Loads and checks everything that the run needs. Nothing is made.
    pub(crate) async fn open(given: Given, state: &Path, source: Source<'_>, manner: &Manner) -> Result<Self, Failure> {
        manner.notify.as_deref().map_or(Ok(()), notice::check)?;
        let progress = Arc::new(Progress::new(manner.quiet));
        for warning in given.warnings() {
            progress.say(&warning);
        }
        let host = Configuration::read(manner.config.as_deref())?;
        let services = services(&given, &host, &manner.tools, manner.require_isolation)?;
        let sandbox = open_sandbox(state, given.workflow.concurrency.max, manner.require_isolation)?;
        let plugins = Loaded::load(&sandbox, &given, source, |line| progress.say(line)).await?;
        plugins.check_grants(&given)?;
        Ok(Self { given, state: state.to_owned(), sandbox, plugins, services, progress, manner: manner.clone() })
    }

    /// Takes the state folder that `lock` holds into use, for the workspace `root`.
    pub(crate) fn enter(mut self, root: &Path, lock: StateLock) -> Result<Entered, Failure> {
        let (lock, signals) = (Arc::new(lock), Signals::listen()?);
        logging::start(&self.state.join("logs"));
        self.plugins.log(&self.given);
        self.plugins.keep(&self.state)?;
        let workspace = Arc::new(open_workspace(root, &lock, &self.given.workflow.workspace)?);
        let store = keys::open_journal(Arc::clone(&lock))?;
        Ok(Entered { session: self, lock, signals, store, workspace })
    }
}

impl Entered {
    /// Where the run is shown.
    pub(crate) fn progress(&self) -> &Progress {
        &self.session.progress
    }

    /// How guests are kept apart on this machine, in words.
    pub(crate) fn isolation(&self) -> Vec<String> {
        match self.session.sandbox.wall() {
            WallStatus::Standing => vec!["wasm".to_owned(), "landlock".to_owned()],
            WallStatus::Absent(_) => vec!["wasm".to_owned()],
        }
    }

    /// Reads the user's folder `root` into a version; also gives notes about what was left out.
    pub(crate) async fn import(&self, root: &Path) -> Result<(Digest, Vec<String>), Failure> {
        import(&self.workspace, root, &self.session.state).await
    }

    /// The record of a run that begins.
    pub(crate) fn begin(&self) -> Result<JournalPort, Failure> {
        Ok(JournalPort::new(self.store.clone(), self.reader()?, Place::Threads))
    }

    /// The record of a run that goes on.
    pub(crate) fn go_on(&self, run: &RunId) -> Result<JournalPort, Failure> {
        JournalPort::resume(self.store.clone(), self.reader()?, run, Place::Threads)
            .map_err(|e| Failure::of(Exit::Internal, format!("open the record of {run}"), &e))
    }

    fn reader(&self) -> Result<Reader, Failure> {
        let state = &self.session.state;
        Reader::open(state)
            .map_err(|e| Failure::of(Exit::Internal, format!("read the record in {}", state.display()), &e))
    }

    /// Sees `run` to its end, and tells what came of it.
    pub(crate) async fn carry(
        self,
        run: &RunId,
        journal: Arc<JournalPort>,
        control: RunControl,
        work: impl AsyncFnOnce(Engine, Given) -> Result<RunReport, EngineError>,
    ) -> Result<ExitCode, Failure> {
        let Self { session, lock, signals, store, workspace } = self;
        let Session { given, state, plugins, services, progress, manner, .. } = session;
        workspace.works_on(run);
        request::forget(&state, run);
        lock.works_on(run).map_err(|e| Failure::of(Exit::Internal, format!("work on the run {run}"), &e))?;
        tracing::info!(%run, workflow = %given.workflow.name, "a run is under way");
        let signals = tokio::spawn(signals.watch(control.clone(), Arc::clone(&progress), store.clone()));
        if manner.wait {
            control.wait_for_people();
        }
        let requests = tokio::spawn(request::watch(state.clone(), run.clone(), control, Arc::clone(&progress)));
        let memories = MemoryPort::new(&state, Place::Threads)
            .map_err(|e| Failure::of(Exit::Internal, "start the thread that reads memory", &e))?;
        let (bell, ringing) = Bell::new(&progress, run, !manner.quiet, manner.notify.clone());
        let ports = Ports {
            hooks: Arc::new(HooksPort { workspace: Arc::clone(&workspace) as _, services: services.clone() }),
            services,
            plugins: Arc::new(plugins),
            workspace: Arc::clone(&workspace) as _,
            journal,
            memories: Arc::new(memories),
            time: Arc::new(MachineTime::new(state::now())),
            observer: bell,
        };
        let ended = work(Engine::new(ports), given).await;
        signals.abort();
        requests.abort();
        if let Some(ringing) = ringing {
            // The engine is gone, and with it whoever rings; the program is told what it was not told yet.
            drop(ringing.await);
        }
        progress.finish();
        let closed = store.close();
        let report = ended.map_err(|e| ending::without_end(run, &e, workspace.applied()))?;
        closed.map_err(|e| ending::unclosed(&e, workspace.applied()))?;
        tracing::info!(%run, status = %report.status, "the run rests");
        let came = Came::read(&state, run, report.status)?;
        came.tell(manner.json);
        if let Some(program) = manner.notify.filter(|_| notice::is_due(report.status))
            && let Err(untold) = notice::give(&program, &came.line).await
        {
            tracing::warn!(%run, program = %program.display(), %untold, "nobody was told");
            progress.say(&format!("warning: `{}` was to tell somebody of this: {untold}", program.display()));
        }
        Ok(ending::exit_code(&report))
    }
}

fn open_sandbox(state: &Path, tasks: u32, require_isolation: bool) -> Result<Sandbox, Failure> {
    let wall = if require_isolation { WallPolicy::Require } else { WallPolicy::BestEffort };
    sandbox(state, tasks.saturating_add(SPARE), wall).map_err(|error| match error {
        SandboxError::NoWall(_) => Failure::of(Exit::Refused, "confine the agents' threads, as `--require-isolation` demands", &error)
            .hint("`longhaul doctor` tells what is missing; without `--require-isolation` agents are kept apart by WebAssembly alone"),
        _ => Failure::of(Exit::Internal, "set up the sandbox", &error),
    })
}
