//! `longhaul run`.

pub(super) mod name;

use super::audit::grants;
use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::session::{self, Manner, Session};
use crate::state::{self, Place};
use crate::terminal::say;
use crate::wiring::Source;
use longhaul_core::id::RunId;
use longhaul_engine::{Apply, RunControl, RunOptions};
use longhaul_store::{Reader, StoreError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Run a workflow on a workspace
///
/// The agents work on copies; your folder is changed at the end, all at once, when every task is done. The first Ctrl-C
/// or SIGTERM pauses the run at a safe point, the second stops it at once; `longhaul resume` goes on with it either way.
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
    /// Write the smallest policy that the run would have needed to this file when it ends
    #[arg(long, value_name = "FILE")]
    learn: Option<PathBuf>,
    /// Keep the result as a version and leave your folder as it is
    #[arg(long)]
    no_apply: bool,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let given = Given::read(&args.workflow, args.policy.as_deref(), &args.inputs, state::now())?;
    let place = match (&place.workspace, &given.workflow.workspace.root) {
        (None, Some(root)) => Place { workspace: Some(given.folder.join(root)), state: place.state.clone() },
        _ => place.clone(),
    };
    let (root, state) = place.for_run()?;
    let learned = args.learn.as_deref();
    session::block_on(async {
        // Until all of this holds nothing is made, not even the state folder.
        let session = Session::open(given, &state, Source::Named, &args.manner).await?;
        let entered = session.enter(&root, state::lock(&state, "longhaul run")?)?;
        let (base, notes) = entered.import(&root).await?;
        for note in notes {
            entered.progress().say(&note);
        }
        let run = name::new_run_id(state::now(), random, |run| is_taken(&state, run))?;
        let control = RunControl::default();
        let isolation = entered.isolation();
        let journal = Arc::new(entered.begin()?);
        let work = async |engine: longhaul_engine::Engine, given: Given| {
            let options = RunOptions {
                file: given.file.name,
                source: given.file.text,
                host: env!("CARGO_PKG_VERSION").to_owned(),
                isolation,
                inputs: given.inputs,
                policy: given.policy.map(|policy| policy.permissions),
                scripts: given.scripts,
                seed: random(),
                apply: if args.no_apply { Apply::Later } else { Apply::OnSuccess },
                control: control.clone(),
            };
            engine.run(run.clone(), given.workflow, base, options).await
        };
        let ended = entered.carry(&run, journal, control.clone(), work).await?;
        learned.map_or(Ok(()), |file| learn(&state, &run, file))?;
        Ok(ended)
    })
}

/// Writes what the run would have needed.
fn learn(state: &Path, run: &RunId, file: &Path) -> Result<(), Failure> {
    let reader = Reader::open(state).map_err(|e| Failure::of(Exit::Internal, "read the record", &e))?;
    let policy = grants::policy(run, &grants::used(&reader, run)?)?;
    std::fs::write(file, policy).map_err(|e| Failure::of(Exit::Invalid, format!("write {}", file.display()), &e))?;
    say(&format!("{} holds the smallest policy that the run needed", file.display()));
    Ok(())
}

pub(super) fn is_taken(state: &Path, run: &RunId) -> Result<bool, Failure> {
    match Reader::open(state).and_then(|reader| reader.run(run)) {
        Ok(_) => Ok(true),
        Err(StoreError::NoSuchRun { .. }) => Ok(false),
        Err(error) => Err(Failure::of(Exit::Internal, "read the runs", &error)),
    }
}

/// A random number from the keys that the standard library draws for its hash tables.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
