//! `longhaul run`.

use crate::failure::{Exit, Failure};
use crate::logging;
use crate::progress::Progress;
use crate::report::RunReport;
use crate::state::{self, Place};
use crate::wiring::{JournalPort, MachineTime, WorkspacePort, load_plugins, sandbox};
use longhaul_core::grant::Permissions;
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::model::Workflow;
use longhaul_core::workflow::parse::{MAX_BYTES, parse, parse_policy};
use longhaul_engine::ports::Ports;
use longhaul_engine::{Apply, CancelHandle, Engine, RunOptions};
use longhaul_sandbox::{WallPolicy, WallStatus};
use longhaul_store::{Options, Reader};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

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
    /// A value for an input of the workflow; as JSON where it parses, else as text
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

pub(crate) fn run(place: &Place, args: Args) -> Result<ExitCode, Failure> {
    // Everything that can be checked without touching anything comes first.
    let (workflow, source) = read_workflow(&args.workflow)?;
    let inputs = read_inputs(&workflow, &args.inputs)?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let folder = args.workflow.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let place = match (&place.workspace, &workflow.workspace.root) {
        (None, Some(root)) => Place { workspace: Some(folder.join(root)), state: place.state.clone() },
        _ => place.clone(),
    };
    let (root, state) = place.for_run()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("longhaul-host")
        .enable_all()
        .build()
        .map_err(|e| Failure::of(Exit::Internal, "start the host's threads", &e))?;
    let setup = Setup { workflow, source, inputs, policy, folder, root, state, args };
    runtime.block_on(setup.run())
}

/// Everything that a run is made of, read and checked.
struct Setup {
    workflow: Workflow,
    source: String,
    inputs: Map<String, Value>,
    policy: Option<Permissions>,
    folder: PathBuf,
    root: PathBuf,
    state: PathBuf,
    args: Args,
}

impl Setup {
    async fn run(self) -> Result<ExitCode, Failure> {
        let wall = if self.args.require_isolation { WallPolicy::Require } else { WallPolicy::BestEffort };
        let instances = self.workflow.concurrency.max.saturating_mul(2).clamp(8, 256);
        // The folders of the wall have to be there when its threads start; the lock is taken before anything is made.
        let lock = state::lock(&self.state, "longhaul run")?;
        logging::start(&self.state.join("logs"));
        let workspace = WorkspacePort::open(&self.root, &self.state, &self.workflow.workspace)?;
        let sandbox =
            sandbox(&self.state, instances, wall).map_err(|e| Failure::of(Exit::Internal, "set up the sandbox", &e))?;
        let progress = Arc::new(Progress::new(self.args.quiet));
        let plugins = load_plugins(&sandbox, &self.workflow, &self.folder, |line| progress.say(line)).await?;
        plugins.check_grants(&self.workflow, self.policy.as_ref())?;
        let store = longhaul_store::Journal::open(lock, Options::default())
            .map_err(|e| Failure::of(Exit::Internal, format!("open the record in {}", self.state.display()), &e))?;
        let (base, notes) = workspace.import().await?;
        for note in notes {
            progress.say(&note);
        }
        let isolation = match sandbox.wall() {
            WallStatus::Standing => vec!["wasm".to_owned(), "landlock".to_owned()],
            WallStatus::Absent(_) => vec!["wasm".to_owned()],
        };
        let run = new_run_id(state::now())?;
        tracing::info!(%run, workflow = %self.workflow.name, "run begins");
        let cancel = CancelHandle::default();
        let watcher = tokio::spawn(watch_signals(cancel.clone(), Arc::clone(&progress)));
        let options = RunOptions {
            source: self.source,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            isolation,
            inputs: self.inputs,
            policy: self.policy,
            seed: random(),
            apply: if self.args.no_apply { Apply::Later } else { Apply::OnSuccess },
            cancel,
        };
        let ports = Ports {
            plugins: Arc::new(plugins),
            workspace: Arc::new(workspace),
            journal: Arc::new(JournalPort::new(store.clone())),
            time: Arc::new(MachineTime::new()),
            observer: Arc::clone(&progress) as _,
        };
        let ended = Engine::new(ports).run(run.clone(), self.workflow, base, options).await;
        watcher.abort();
        progress.finish();
        let closed = store.close();
        let report = ended.map_err(|e| Failure::of(Exit::Internal, format!("finish the run {run}"), &e))?;
        closed.map_err(|e| Failure::of(Exit::Internal, "close the record", &e))?;
        tracing::info!(%run, status = %report.status, "run ended");
        tell(&self.state, &run, report.status, self.args.json)?;
        Ok(exit_code(report.status))
    }
}

/// Tells what came of the run, from its record: what cannot be read back was not recorded.
fn tell(state: &Path, run: &RunId, status: RunState, as_json: bool) -> Result<(), Failure> {
    let unreadable =
        |e: longhaul_store::StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let reader = Reader::open(state).map_err(unreadable)?;
    let info = reader.run(run).map_err(unreadable)?;
    let report = RunReport::read(&reader, &info, status.to_string())?;
    if !as_json {
        super::print_text(&report.to_text(&state.display().to_string()));
        return Ok(());
    }
    let s = &info.summary;
    let object = json!({
        "run": run,
        "status": status,
        "reason": report.reason,
        "workspace": report.workspace,
        "applied": report.applied,
        "tasks": {
            "total": s.tasks.total(), "completed": s.tasks.completed, "skipped": s.tasks.skipped, "failed": s.tasks.failed,
            "escalated": s.tasks.escalated, "cancelled": s.tasks.cancelled,
        },
        "attempts": s.attempts,
        "changes": report.changes.len(),
        "actions": s.actions,
        "fuel": s.fuel,
        "memory": s.memory,
        "denials": s.denials,
        "incidents": s.incidents,
        "entries": s.entries,
        "seconds": report.seconds,
        "state": state.display().to_string(),
    });
    super::print_text(&format!("{object}\n"));
    Ok(())
}

fn exit_code(status: RunState) -> ExitCode {
    match status {
        RunState::Completed => ExitCode::SUCCESS,
        RunState::Escalated => Exit::Waiting.into(),
        RunState::Exhausted => Exit::Exhausted.into(),
        // With `--no-apply` a run ends before its application, and that is all that was asked for.
        RunState::Applying => ExitCode::SUCCESS,
        RunState::Failed | RunState::Cancelled | RunState::Running => Exit::Failed.into(),
    }
}

fn read_workflow(path: &Path) -> Result<(Workflow, String), Failure> {
    let source = read_text(path, "workflow", "`longhaul init` writes one to begin with")?;
    match parse(&path.display().to_string(), &source) {
        Ok(workflow) => Ok((workflow, source)),
        Err(errors) => Err(Failure::new(Exit::Invalid, errors.to_string())),
    }
}

fn read_policy(path: &Path) -> Result<Permissions, Failure> {
    let hint = "write one like `{ version: 1, permissions: { fs: { read: [\"**\"], write: [\"src/**\"] } } }`";
    let source = read_text(path, "policy", hint)?;
    parse_policy(&path.display().to_string(), &source).map_err(|errors| Failure::new(Exit::Invalid, errors.to_string()))
}

fn read_text(path: &Path, what: &str, where_from: &str) -> Result<String, Failure> {
    let mut source = String::new();
    // One byte more than such a file may have, so that whoever parses it can tell that it is too long.
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut source));
    read.map_err(|e| {
        let failure = Failure::of(Exit::Invalid, format!("read the {what} {}", path.display()), &e);
        match e.kind() {
            ErrorKind::NotFound => failure.hint(where_from),
            ErrorKind::InvalidData => failure.hint("write it as text in UTF-8"),
            _ => failure.hint("name a file that you may read"),
        }
    })?;
    Ok(source)
}

fn read_inputs(workflow: &Workflow, given: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut inputs = BTreeMap::new();
    for text in given {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("`--input {text}` is not NAME=VALUE"))
                .hint("for example `--input since=2.0`")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        inputs.insert(name.to_owned(), value);
    }
    workflow.inputs(inputs).map_err(|e| Failure::of(Exit::Invalid, "use the inputs", &e))
}

/// Ids sort by the time they were made, and two runs of one second differ by chance.
fn new_run_id(now: Timestamp) -> Result<RunId, Failure> {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let text = format!("{}-{}-{:04x}", &digits[..8], &digits[8..], random() & 0xffff);
    RunId::new(text).map_err(|e| Failure::of(Exit::Internal, "name the run", &e))
}

/// A random number from the keys that the standard library draws for its hash tables.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The first signal cancels the run, the second ends the process; the record is complete up to then either way.
async fn watch_signals(cancel: CancelHandle, progress: Arc<Progress>) {
    if next_signal().await.is_ok() {
        progress.say("stopping safely; press Ctrl-C again to stop at once");
        cancel.cancel();
    }
    if next_signal().await.is_ok() {
        progress.finish();
        std::process::exit(130);
    }
}

/// Waits for Ctrl-C, or for the SIGTERM that a service manager stops an unattended run with.
async fn next_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}
