//! `longhaul audit grants`.

use crate::commands::{print_json, print_text};
use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use crate::terminal::one_line;
use longhaul_audit::query::{Deeds, Used};
use longhaul_core::grant::Permissions;
use longhaul_core::id::RunId;
use longhaul_store::{EntryKind, Filter, Reader, StoreError};
use serde_json::json;
use std::process::ExitCode;

/// Print the smallest policy that a run would have needed
///
/// What the tasks were given and never used is told in comments. `run --learn FILE` writes the same when a run ends.
///
/// For example: longhaul audit grants last > night.policy.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Write JSON: the policy, and what was given and never used
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let used = used(&reader, &run)?;
    match args.json {
        true => print_json(&json!({ "run": run, "policy": used.smallest(), "never": used.never() }))?,
        false => print_text(&policy(&run, &used)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a run used of its grants.
pub(crate) fn used(reader: &Reader, run: &RunId) -> Result<Used, Failure> {
    let unreadable = |e: StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let kinds = vec![EntryKind::AttemptStarted, EntryKind::Action, EntryKind::Committed];
    let (mut deeds, mut used) = (Deeds::default(), Used::default());
    for line in reader.entries(run, &Filter { kinds, ..Filter::default() }).map_err(unreadable)? {
        let line = line.map_err(unreadable)?;
        let Some(record) = line.record() else { continue };
        used.record(record);
        deeds.of(line.position, record).iter().for_each(|deed| used.deed(deed));
    }
    Ok(used)
}

/// The policy as a file, with comments about what was never used.
pub(crate) fn policy(run: &RunId, used: &Used) -> Result<String, Failure> {
    let mut text =
        format!("# The smallest policy that run {run} would have needed. Use it with `longhaul run --policy FILE`.\n");
    for line in used.never() {
        text += &format!("# given and never used: {}\n", one_line(&line, 200));
    }
    Ok(text + &yaml(&used.smallest())?)
}

/// The permissions as YAML: each field on a line of its own, with a list as JSON writes it, which YAML reads.
fn yaml(permissions: &Permissions) -> Result<String, Failure> {
    let value = serde_json::to_value(permissions);
    let value = value.map_err(|e| Failure::of(Exit::Internal, "write the policy", &e))?;
    let fields = value.as_object().into_iter().flatten();
    let mut text = String::new();
    for (field, list) in fields {
        match list.as_object() {
            Some(inner) => {
                text += &format!("  {field}:\n");
                inner.iter().for_each(|(field, list)| text += &format!("    {field}: {list}\n"));
            }
            None => text += &format!("  {field}: {list}\n"),
        }
    }
    let none = text.is_empty();
    Ok(format!("version: 1\npermissions:{}", if none { " {}\n".to_owned() } else { format!("\n{text}") }))
}
