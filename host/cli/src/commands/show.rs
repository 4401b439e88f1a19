//! `longhaul show`.

use crate::commands::runs::{active, status};
use crate::failure::{Exit, Failure};
use crate::report::{RunReport, TaskRow};
use crate::state::{Place, resolve};
use crate::terminal::{one_line, table};
use longhaul_core::attachment::Attachment;
use longhaul_wiring::content_of;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// Show what happened in a run: tasks, changed files, refusals, incidents
///
/// With `--task` one task is shown with its attachments: what it was given beside its input, by name, size and digest.
///
/// For example: longhaul show last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// Show this task with its attachments, for example `plan` or `change[3]`
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Write the content of this attachment of the task to stdout, as it is
    #[arg(long, value_name = "NAME", requires = "task", conflicts_with = "json")]
    attachment: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    let info = reader.run(&run).map_err(|e| Failure::of(Exit::Internal, format!("read the run {run}"), &e))?;
    let status = status(&info, active(&folder).as_ref());
    let report = RunReport::read(&reader, &info, status)?;
    if let Some(task) = &args.task {
        let unknown = || {
            let task = one_line(task, 80);
            Failure::new(Exit::Invalid, format!("{run} has no task `{task}`"))
                .hint(format!("`longhaul show {run}` lists its tasks"))
        };
        let row = report.tasks.iter().find(|row| row.task.as_str() == task).ok_or_else(unknown)?;
        return one(&folder, row, args);
    }
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print_text(&report.to_text(&folder.display().to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one task.
fn one(folder: &Path, row: &TaskRow, args: &Args) -> Result<ExitCode, Failure> {
    if let Some(name) = &args.attachment {
        let unknown = || {
            let message = format!("task `{}` has no attachment `{}`", row.task, one_line(name, 80));
            Failure::new(Exit::Invalid, message).hint("leave out `--attachment`, and they are listed")
        };
        let attachment = row.attachments.iter().find(|one| one.name == *name).ok_or_else(unknown)?;
        return content(folder, attachment);
    }
    if args.json {
        super::print_json(row)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("task {} of {}: {}, {} tries\n", row.task, row.agent, row.state, row.attempts);
    if row.attachments.is_empty() {
        text.push_str("\nno attachments\n");
    } else {
        let mut rows = vec![["  ATTACHMENT", "SOURCE", "TYPE", "SIZE", "DIGEST"].map(str::to_owned).to_vec()];
        rows.extend(row.attachments.iter().map(|one| {
            vec![
                format!("  {}", one_line(&one.name, 80)),
                one.source.to_string(),
                one.media_type.clone(),
                one.size.to_string(),
                one.digest.to_string(),
            ]
        }));
        text.push_str(&format!("\n{} attachments\n{}", row.attachments.len(), table(&rows)));
    }
    super::print_text(&text);
    Ok(ExitCode::SUCCESS)
}

/// Writes the content of an attachment: as it is, or fit for a terminal.
fn content(folder: &Path, attachment: &Attachment) -> Result<ExitCode, Failure> {
    let doing = || format!("read the attachment `{}`", one_line(&attachment.name, 80));
    let bytes = content_of(folder, attachment.digest).map_err(|e| Failure::of(Exit::Internal, doing(), &e))?;
    if std::io::stdout().is_terminal() {
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text.lines().map(|line| one_line(line, usize::MAX - 1)).collect();
        super::print_text(&format!("{}\n", lines.join("\n")));
    } else {
        // Whoever closes the pipe early has seen enough.
        drop(std::io::stdout().write_all(&bytes));
    }
    Ok(ExitCode::SUCCESS)
}
