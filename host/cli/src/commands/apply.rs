//! `longhaul apply`.

use crate::failure::{Exit, Failure, unopened};
use crate::keys;
use crate::state::{self, Place, resolve};
use crate::terminal::say;
use crate::wiring::open_workspace;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_core::workflow::model::WorkspaceSpec;
use longhaul_engine::ports::{ApplyFailed, Workspace};
use longhaul_store::{EntryKind, Filter, Reader, StoreError};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

/// Put the result of a run into your folder, all at once
///
/// For runs made with `--no-apply`, and for those whose result could not be applied because the folder had changed. Files
/// that changed since the run began are never overwritten: put them aside first.
///
/// For example: longhaul apply last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let lock = Arc::new(state::lock(&folder, "longhaul apply")?);
    let Versions { base, newest, applied } = versions(&reader, &run)?;
    if applied {
        say(&format!("the result of {run} is in your folder already"));
        return Ok(ExitCode::SUCCESS);
    }
    let root = place.for_apply(&folder)?;
    let workspace = open_workspace(&root, &lock, &WorkspaceSpec::default())?;
    // What cannot be recorded is not done, so the record is opened first.
    let unrecorded = |e: StoreError| unopened(format!("open the record of {run}"), &e);
    let journal = keys::open_journal(lock)?;
    let record = journal.open_run(&run).map_err(unrecorded)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|e| Failure::of(Exit::Internal, "start the host", &e))?;
    let files = match runtime.block_on(workspace.apply(base, newest)) {
        Ok(applied) => applied.files,
        Err(error @ ApplyFailed::Changed { .. }) => {
            return Err(Failure::of(Exit::Waiting, format!("apply the result of {run}; nothing was touched"), &error)
                .hint("put the files that changed aside, or undo their changes, and apply again"));
        }
        Err(error) => return Err(Failure::of(Exit::Internal, format!("apply the result of {run}"), &error)),
    };
    let entry = Entry::Applied { version: newest, files };
    let recorded = record.append(&Record { at: state::now(), task: None, attempt: None, entry });
    recorded.and_then(|_| journal.close()).map_err(|e| {
        let doing =
            format!("record that the result of {run} was applied; {files} files of it are in {} now", root.display());
        Failure::of(Exit::Internal, doing, &e)
    })?;
    if args.json {
        super::print_json(&json!({ "run": run, "workspace": newest, "files": files }))?;
    } else {
        say(&format!("{files} files of {run} are in {} now", root.display()));
    }
    Ok(ExitCode::SUCCESS)
}

struct Versions {
    base: Digest,
    newest: Digest,
    applied: bool,
}

/// The versions that a run began and ended with, from its record.
fn versions(reader: &Reader, run: &RunId) -> Result<Versions, Failure> {
    let unreadable =
        |e: longhaul_store::StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let kinds = vec![EntryKind::RunStarted, EntryKind::Committed, EntryKind::Applied];
    let (mut begun, mut newest, mut applied) = (None, None, None);
    for line in reader.entries(run, &Filter { kinds, ..Filter::default() }).map_err(unreadable)? {
        match line.map_err(unreadable)?.record().map(|record| &record.entry) {
            Some(Entry::RunStarted { base, .. }) => begun = Some(*base),
            Some(Entry::Committed { version, .. }) => newest = Some(*version),
            Some(Entry::Applied { version, .. }) => applied = Some(*version),
            _ => {}
        }
    }
    let base = begun.ok_or_else(|| Failure::new(Exit::Internal, format!("the record of {run} has no beginning")))?;
    let newest = newest.unwrap_or(base);
    Ok(Versions { base, newest, applied: applied == Some(newest) })
}
