//! `longhaul checkpoint`.

use super::fork::find;
use crate::failure::{Exit, Failure};
use crate::session::{Request, ask};
use crate::state::{self, Place, resolve};
use crate::terminal::{one_line, say, table};
use crate::wiring::open_workspace;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, ChangeKind};
use longhaul_core::id::RunId;
use longhaul_core::workflow::model::WorkspaceSpec;
use longhaul_engine::ports::{ApplyFailed, Workspace};
use longhaul_engine::{Checkpoint, History};
use longhaul_store::StateLock;
use longhaul_wiring::{RecordsPort, WorkspacePort};
use longhaul_workspace::VersionId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Look at the checkpoints of a run, and go back to one
///
/// A checkpoint is made when a task's work is committed, when some time has passed, and on demand; the newest few are kept.
///
/// For example: longhaul checkpoint list last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the checkpoints that are kept, oldest first
    List(Which),
    /// Show how the tasks stood at a checkpoint
    Show(At),
    /// Show what changed between two checkpoints, or since one
    Diff(Diff),
    /// Have the process that works on a run make a checkpoint now
    Make(Run),
    /// Put the files of a checkpoint into your folder, or into another one
    Restore(Restore),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
}

#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    run: Run,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct At {
    #[command(flatten)]
    which: Which,
    /// The checkpoint's number; by default the newest
    #[arg(long, value_name = "NUMBER")]
    at: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct Diff {
    #[command(flatten)]
    at: At,
    /// The other checkpoint's number; by default how the run stands now
    #[arg(long, value_name = "NUMBER")]
    to: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct Restore {
    #[command(flatten)]
    at: At,
    /// Put the files into this folder, which has to be missing or empty, instead of your own
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List(which) => list(place, which),
        Command::Show(at) => show(place, at),
        Command::Diff(args) => diff(place, args),
        Command::Make(which) => make(place, which),
        Command::Restore(args) => restore(place, args),
    }
}

fn list(place: &Place, which: &Which) -> Result<ExitCode, Failure> {
    let (_, history) = read(place, &which.run)?;
    if which.json {
        super::print_json(&history.kept().iter().map(json_of).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if history.kept().is_empty() {
        say("no checkpoints yet; one is made when a task's work is committed");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["CHECKPOINT", "MADE", "WHY", "VERSION", "ENTRY"].map(str::to_owned).to_vec()];
    rows.extend(history.kept().iter().map(|checkpoint| {
        vec![
            checkpoint.number.to_string(),
            checkpoint.at.to_string(),
            why(checkpoint),
            format!("{:.12}", checkpoint.version.to_string()),
            checkpoint.position.0.to_string(),
        ]
    }));
    super::print_text(&table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn show(place: &Place, at: &At) -> Result<ExitCode, Failure> {
    let (run, history) = read(place, &at.which.run)?;
    let checkpoint = find(&run, &history, at.at)?;
    let then = History::read_until(&RecordsPort::new(place.reader()?), &run, Some(checkpoint.position))
        .map_err(|e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e))?;
    let tasks = then.tasks();
    if at.which.json {
        let rows: Vec<_> =
            tasks.iter().map(|row| json!({ "task": row.task, "agent": row.agent, "state": row.state, "attempts": row.attempts, "problem": row.problem })).collect();
        let mut object = json_of(&checkpoint);
        object["tasks"] = rows.into();
        super::print_json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Checkpoint { number, at, version, .. } = &checkpoint;
    super::print_text(&format!(
        "checkpoint {number} of {run}, made {at} ({}), version {:.12}\n\n",
        why(&checkpoint),
        version.to_string()
    ));
    let mut rows = vec![["  TASK", "AGENT", "STATE", "TRIES", "LAST PROBLEM"].map(str::to_owned).to_vec()];
    rows.extend(tasks.iter().map(|row| {
        let problem = row.problem.as_ref().map_or_else(String::new, |problem| one_line(&problem.message, 100));
        vec![format!("  {}", row.task), row.agent.to_string(), row.state.to_string(), row.attempts.to_string(), problem]
    }));
    super::print_text(&table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn diff(place: &Place, args: &Diff) -> Result<ExitCode, Failure> {
    let (run, history) = read(place, &args.at.which.run)?;
    let from = find(&run, &history, args.at.at)?;
    let to = match args.to {
        Some(number) => find(&run, &history, Some(number))?.version,
        None => history.version(),
    };
    let (workspace, _) = open(place)?;
    let changes = workspace
        .inner()
        .diff(VersionId(from.version), VersionId(to))
        .map_err(|e| Failure::of(Exit::Internal, format!("compare versions of {run}"), &e))?;
    if args.at.which.json {
        super::print_json(&changes)?;
        return Ok(ExitCode::SUCCESS);
    }
    for Change { path, change, .. } in &changes {
        let sign = match change {
            ChangeKind::Added => '+',
            ChangeKind::Modified => '~',
            ChangeKind::Removed => '-',
        };
        super::print_text(&format!("{sign} {}\n", one_line(path.as_str(), 400)));
    }
    if changes.is_empty() {
        say("nothing changed between the two");
    }
    Ok(ExitCode::SUCCESS)
}

fn make(place: &Place, which: &Run) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, &which.run)?;
    if !ask(&folder, &run, Request::Checkpoint)? {
        return Err(Failure::new(Exit::Invalid, format!("run {run} is not under way, so it stands as it did"))
            .hint("`longhaul checkpoint list` lists its checkpoints"));
    }
    say(&format!("a checkpoint of {run} is made"));
    Ok(ExitCode::SUCCESS)
}

fn restore(place: &Place, args: &Restore) -> Result<ExitCode, Failure> {
    let (run, history) = read(place, &args.at.which.run)?;
    let checkpoint = find(&run, &history, args.at.at)?;
    let (files, root) = match &args.into {
        Some(folder) => (export(place, folder, checkpoint.version)?, folder.clone()),
        None => {
            let (workspace, root) = open(place)?;
            // The folder is as the run found it, unless a result of it was applied.
            let from = history.applied_version().unwrap_or_else(|| history.base());
            (apply(&workspace, from, checkpoint.version)?, root)
        }
    };
    if args.at.which.json {
        let mut object = json_of(&checkpoint);
        object["files"] = files.into();
        object["folder"] = root.display().to_string().into();
        super::print_json(&object)?;
    } else {
        say(&format!("{files} files of checkpoint {} are in {} now", checkpoint.number, root.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a version into a folder of its own.
fn export(place: &Place, folder: &Path, version: Digest) -> Result<u64, Failure> {
    let state = place.find()?;
    let failed = |e: &(dyn std::error::Error + 'static)| {
        Failure::of(Exit::Invalid, format!("use the folder {}", folder.display()), e)
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    if std::fs::read_dir(folder).map_err(|e| failed(&e))?.next().is_some() {
        return Err(Failure::new(Exit::Invalid, format!("the folder {} is not empty", folder.display()))
            .hint("name one that is missing or empty"));
    }
    let lock = state::lock(&state, "longhaul checkpoint restore")?;
    let workspace = open_workspace(folder, &lock, &WorkspaceSpec::default())?;
    let empty = block_on(workspace.empty())?.map_err(|e| Failure::new(Exit::Internal, e.0))?;
    apply(&workspace, empty, version)
}

fn apply(workspace: &WorkspacePort, from: Digest, to: Digest) -> Result<u64, Failure> {
    match block_on(workspace.apply(from, to))? {
        Ok(applied) => Ok(applied.files),
        Err(error @ ApplyFailed::Changed { .. }) => {
            Err(Failure::of(Exit::Waiting, "restore the checkpoint; nothing was touched", &error)
                .hint("put the files that changed aside, or restore into another folder with `--into DIR`"))
        }
        Err(error) => Err(Failure::of(Exit::Internal, "restore the checkpoint", &error)),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    Ok(runtime.map_err(|e| Failure::of(Exit::Internal, "start the host", &e))?.block_on(work))
}

/// The workspace of the state folder, for this process alone, and its root.
fn open(place: &Place) -> Result<(WorkspacePort, PathBuf), Failure> {
    let folder = place.find()?;
    let root = place.for_apply(&folder)?;
    let lock: StateLock = state::lock(&folder, "longhaul checkpoint")?;
    Ok((open_workspace(&root, &lock, &WorkspaceSpec::default())?, root))
}

fn read(place: &Place, which: &Run) -> Result<(RunId, History), Failure> {
    let reader = place.reader()?;
    let run = resolve(&reader, &which.run)?;
    let history = History::read(&RecordsPort::new(reader), &run)
        .map_err(|e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e))?;
    Ok((run, history))
}

fn json_of(checkpoint: &Checkpoint) -> Value {
    let Checkpoint { number, version, reason, at, position } = checkpoint;
    json!({ "checkpoint": number, "version": version, "reason": reason, "at": at.to_string(), "position": position })
}

fn why(checkpoint: &Checkpoint) -> String {
    serde_json::to_value(checkpoint.reason).ok().and_then(|why| Some(why.as_str()?.to_owned())).unwrap_or_default()
}
