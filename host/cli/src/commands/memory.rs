//! `longhaul memory`.

use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use crate::terminal::{one_line, say, table};
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::memory::{Keys, MAX_KEYS, MemorySpace};
use longhaul_core::payload::Payload;
use longhaul_core::units::Bytes;
use longhaul_store::{MemoryReader, StoreError};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Look at what agents remember
///
/// Every agent with the permission `memory` can keep values under keys, for its task, its run or all runs of its workflow. What is
/// shown is how it stands now; the record of a run says who wrote and read what.
///
/// For example: longhaul memory list last --workflow
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List keys with the beginning of what they hold
    List(List),
    /// Write the value of a key to stdout, as it is
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// What the run's workflow remembers, rather than the run itself
    #[arg(long, conflicts_with = "task")]
    workflow: bool,
    /// What this task remembers, for example `plan` or `change[3]`
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    #[command(flatten)]
    whose: Whose,
    /// Only keys that begin so
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Write JSON, with the values whole
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The key
    key: String,
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    #[command(flatten)]
    whose: Whose,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List(args) => list(place, args),
        Command::Show(args) => show(place, args),
    }
}

fn list(place: &Place, args: &List) -> Result<ExitCode, Failure> {
    let (mut memory, space, whose) = open(place, &args.run, &args.whose)?;
    let mut rows = vec![["KEY", "SIZE", "VALUE"].map(str::to_owned).to_vec()];
    let mut all: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let wanted = Keys { prefix: &args.prefix, after: after.as_deref(), limit: MAX_KEYS };
        let keys = memory.keys(&space, wanted).map_err(|e| unread(&e))?;
        let Some(last) = keys.last().cloned() else { break };
        for key in keys {
            // What an agent removed meanwhile is not listed.
            let Some(value) = memory.get(&space, &key).map_err(|e| unread(&e))? else { continue };
            match args.json {
                true => all.push(json!({ "key": key, "size": value.len(), "value": value })),
                false => rows.push(vec![one_line(&key, 60), Bytes(value.len() as u64).to_string(), beginning(&value)]),
            }
        }
        after = Some(last);
    }
    if args.json {
        super::print_json(&all)?;
    } else if rows.len() > 1 {
        super::print_text(&table(&rows));
    } else {
        say(&format!("{whose} remembers nothing"));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(place: &Place, args: &Show) -> Result<ExitCode, Failure> {
    let (mut memory, space, whose) = open(place, &args.run, &args.whose)?;
    let key = &args.key;
    let value = memory.get(&space, key).map_err(|e| unread(&e))?.ok_or_else(|| {
        let message = format!("{whose} remembers nothing under `{}`", one_line(key, 80));
        Failure::new(Exit::Invalid, message).hint("`longhaul memory list` shows the keys that there are")
    })?;
    if std::io::stdout().is_terminal() {
        let text = String::from_utf8_lossy(value.as_bytes());
        let lines: Vec<String> = text.lines().map(|line| one_line(line, usize::MAX - 1)).collect();
        super::print_text(&format!("{}\n", lines.join("\n")));
    } else {
        // Whoever closes the pipe early has seen enough.
        drop(std::io::stdout().write_all(value.as_bytes()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The memory, the part of it that is meant, and what to call that.
fn open(place: &Place, run: &str, whose: &Whose) -> Result<(MemoryReader, MemorySpace, String), Failure> {
    let folder = place.find()?;
    let reader = place.reader()?;
    let run = resolve(&reader, run)?;
    let workflow = reader.run(&run).map_err(|e| unread(&e))?.workflow;
    let (space, name) = space(run, &workflow, whose)?;
    Ok((MemoryReader::open(&folder).map_err(|e| unread(&e))?, space, name))
}

fn space(run: RunId, workflow: &str, whose: &Whose) -> Result<(MemorySpace, String), Failure> {
    let invalid = |error: &dyn std::error::Error| Failure::new(Exit::Invalid, error.to_string());
    if let Some(task) = &whose.task {
        let task = TaskId::new(task.as_str()).map_err(|e| invalid(&e))?;
        let name = format!("task `{task}` of {run}");
        return Ok((MemorySpace::Task(run, task), name));
    }
    if whose.workflow {
        let workflow = Name::new(workflow).map_err(|e| invalid(&e))?;
        let name = format!("workflow `{workflow}`");
        return Ok((MemorySpace::Workflow(workflow), name));
    }
    let name = run.to_string();
    Ok((MemorySpace::Run(run), name))
}

fn beginning(value: &Payload) -> String {
    match value.text() {
        Some(text) => one_line(text, 80),
        None => "(no text)".to_owned(),
    }
}

fn unread(error: &StoreError) -> Failure {
    Failure::of(Exit::Internal, "read the memory of agents", error)
}
