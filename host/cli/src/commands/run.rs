//! `longhaul run`.

mod ending;
mod name;
mod stop;

use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::logging;
use crate::progress::Progress;
use crate::state::{self, Place};
use crate::wiring::{JournalPort, Loaded, MachineTime, WorkspacePort, sandbox};
use longhaul_engine::ports::Ports;
use longhaul_engine::{Apply, Engine, RunControl, RunOptions};
use longhaul_sandbox::{Sandbox, SandboxError, WallPolicy, WallStatus};
use longhaul_store::{Journal, Options, Reader, StateLock, StoreError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Instances that there is room for beyond those of the tasks: one whose time is up keeps its place until it is gone.
const SPARE: u32 = 8;

/// Run a workflow on a workspace
///
/// The agents work on copies; your folder is changed at the end, all at once, when every task is done. The first Ctrl-C
/// or SIGTERM stops the run safely, the second at once.
///
/// For example: longhaul run review.workflow.yaml --workspace ~/code/app
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflow file: NAME.workflow.yaml or WORKFLOW.md
    workflow: PathBuf,
    /// A value for an input of the workflow; as text where its default is one, else as JSON
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// A file with what you allow agents at most, whatever the workflow gives them
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Keep the result as a version and leave your folder as it is
    #[arg(long)]
    no_apply: bool,
    /// Refuse to run where the kernel cannot confine the agents' threads
    #[arg(long)]
    require_isolation: bool,
    /// Show no live progress
    #[arg(long, short)]
    quiet: bool,
    /// End with one line of JSON on stdout instead of the report
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let given = Given::read(&args.workflow, args.policy.as_deref(), &args.inputs, state::now())?;
    let place = match (&place.workspace, &given.workflow.workspace.root) {
        (None, Some(root)) => Place { workspace: Some(given.folder.join(root)), state: place.state.clone() },
        _ => place.clone(),
    };
    let (root, state) = place.for_run()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("longhaul-host")
        .enable_all()
        .build()
        .map_err(|e| Failure::of(Exit::Internal, "start the host's threads", &e))?;
    runtime.block_on(async {
        // Until all of this holds nothing is made, not even the state folder.
        let progress = Arc::new(Progress::new(args.quiet));
        for note in given.notes() {
            progress.say(&note);
        }
        let sandbox = open_sandbox(&state, given.workflow.concurrency.max, args.require_isolation)?;
        let plugins = Loaded::load(&sandbox, &given, |line| progress.say(line)).await?;
        plugins.check_grants(&given)?;
        let lock = state::lock(&state, "longhaul run")?;
        logging::start(&state.join("logs"));
        Run { given, root, state, lock: Arc::new(lock), sandbox, plugins, progress }.go(args).await
    })
}

/// A run that can begin.
struct Run {
    given: Given,
    root: PathBuf,
    state: PathBuf,
    lock: Arc<StateLock>,
    sandbox: Sandbox,
    plugins: Loaded,
    progress: Arc<Progress>,
}

impl Run {
    async fn go(self, args: &Args) -> Result<ExitCode, Failure> {
        let Self { given, root, state, lock, sandbox, plugins, progress } = self;
        plugins.log(&given);
        let workspace = Arc::new(WorkspacePort::open(&root, &lock, &given.workflow.workspace)?);
        let store = Journal::open(Arc::clone(&lock), Options::default())
            .map_err(|e| Failure::of(Exit::Internal, format!("open the record in {}", state.display()), &e))?;
        let reader = Reader::open(&state)
            .map_err(|e| Failure::of(Exit::Internal, format!("read the record in {}", state.display()), &e))?;
        let (base, notes) = workspace.import().await?;
        for note in notes {
            progress.say(&note);
        }
        let isolation = match sandbox.wall() {
            WallStatus::Standing => vec!["wasm".to_owned(), "landlock".to_owned()],
            WallStatus::Absent(_) => vec!["wasm".to_owned()],
        };
        let run = name::new_run_id(state::now(), random, |run| is_taken(&state, run))?;
        lock.works_on(&run).map_err(|e| Failure::of(Exit::Internal, format!("begin the run {run}"), &e))?;
        tracing::info!(%run, workflow = %given.workflow.name, "run begins");
        let control = RunControl::default();
        let watcher = tokio::spawn(stop::watch_signals(control.clone(), Arc::clone(&progress), store.clone()));
        let options = RunOptions {
            file: given.file.name,
            source: given.file.text,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            isolation,
            inputs: given.inputs,
            policy: given.policy.map(|policy| policy.permissions),
            seed: random(),
            apply: if args.no_apply { Apply::Later } else { Apply::OnSuccess },
            control,
        };
        let ports = Ports {
            plugins: Arc::new(plugins),
            workspace: Arc::clone(&workspace) as _,
            journal: Arc::new(JournalPort::new(store.clone(), reader)),
            time: Arc::new(MachineTime::new()),
            observer: Arc::clone(&progress) as _,
        };
        let ended = Engine::new(ports).run(run.clone(), given.workflow, base, options).await;
        watcher.abort();
        progress.finish();
        let closed = store.close();
        let report = ended.map_err(|e| ending::without_end(&run, &e, workspace.applied()))?;
        closed.map_err(|e| ending::unclosed(&e, workspace.applied()))?;
        tracing::info!(%run, status = %report.status, "run ended");
        ending::tell(&state, &run, report.status, args.json)?;
        Ok(ending::exit_code(report.status))
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

fn is_taken(state: &Path, run: &longhaul_core::id::RunId) -> Result<bool, Failure> {
    match Reader::open(state).and_then(|reader| reader.run(run)) {
        Ok(_) => Ok(true),
        Err(StoreError::NoSuchRun { .. }) => Ok(false),
        Err(error) => Err(Failure::of(Exit::Internal, "read the runs", &error)),
    }
}

/// A random number from the keys that the standard library draws for its hash tables.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
