//! `longhaul runs`.

use crate::failure::{Exit, Failure};
use crate::state::{Place, now};
use crate::terminal::{one_line, say, table};
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_core::units::show_duration;
use longhaul_store::{RunInfo, StateLock};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// List the runs of a workspace, newest first
///
/// For example: longhaul runs --workspace ~/code/app --json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// List at most this many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let reader = place.reader()?;
    let runs = reader.runs().map_err(|e| Failure::of(Exit::Internal, "read the runs", &e))?;
    let active = active(&folder);
    let active = active.as_ref();
    let shown = runs.iter().take(args.limit);
    if args.json {
        let list: Vec<_> = shown.map(|info| row_json(info, active)).collect();
        super::print_json(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    if runs.is_empty() {
        say("no runs yet; start one with `longhaul run WORKFLOW`");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["RUN", "WORKFLOW", "STATUS", "TASKS", "CHANGED", "DENIED", "TOOK", "STARTED"].map(str::to_owned).to_vec(),
    ];
    rows.extend(shown.map(|info| {
        let s = &info.summary;
        vec![
            info.id.to_string(),
            one_line(&info.workflow, 30),
            shown_status(info, active),
            format!("{}/{}", s.tasks.completed, s.tasks.total()),
            s.changes.to_string(),
            s.denials.to_string(),
            show_duration(s.ended.unwrap_or(s.last).since(s.started)),
            info.started.to_string(),
        ]
    }));
    super::print_text(&table(&rows));
    if runs.len() > args.limit {
        say(&format!("and {} older ones; show more with `--limit {}`", runs.len() - args.limit, runs.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The run that a process works on in this state folder now.
pub(crate) fn active(folder: &Path) -> Option<RunId> {
    StateLock::holder(folder).ok().flatten()?.run
}

/// A run's status. One that is not final although nobody works on it was interrupted.
pub(crate) fn status(info: &RunInfo, active: Option<&RunId>) -> String {
    match info.summary.state {
        Some(state) if state.is_final() => state.to_string(),
        state if active == Some(&info.id) => state.map_or_else(|| "running".to_owned(), |state| state.to_string()),
        _ => "interrupted".to_owned(),
    }
}

/// The same for a person, who is told where an answer is waited for.
fn shown_status(info: &RunInfo, active: Option<&RunId>) -> String {
    let asks = info.summary.state == Some(RunState::Paused) && info.summary.asked > info.summary.answered;
    format!("{}{}", status(info, active), if asks { ", asks" } else { "" })
}

/// A run as JSON.
pub(crate) fn row_json(info: &RunInfo, active: Option<&RunId>) -> serde_json::Value {
    let s = &info.summary;
    json!({
        "run": info.id,
        "workflow": info.workflow,
        "status": status(info, active),
        "started": info.started.to_string(),
        "seconds": s.ended.unwrap_or(if active == Some(&info.id) { now() } else { s.last }).since(s.started).as_secs_f64(),
        "workspace": s.version,
        "tasks": {
            "total": s.tasks.total(), "completed": s.tasks.completed, "skipped": s.tasks.skipped, "failed": s.tasks.failed,
            "escalated": s.tasks.escalated, "cancelled": s.tasks.cancelled, "running": s.tasks.running, "pending": s.tasks.pending,
        },
        "attempts": s.attempts,
        "actions": s.actions,
        "fuel": s.fuel,
        "tokens": s.tokens,
        "money": s.money,
        "memory": s.memory,
        "denials": s.denials,
        "incidents": s.incidents,
        "changes": s.changes,
        "entries": s.entries,
    })
}
