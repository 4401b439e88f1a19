//! `longhaul show`.

use crate::commands::runs::{active, status};
use crate::failure::{Exit, Failure};
use crate::report::RunReport;
use crate::state::{Place, resolve};
use std::process::ExitCode;

/// Show what happened in a run: tasks, changed files, refusals, incidents
///
/// For example: longhaul show last
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
    let info = reader.run(&run).map_err(|e| Failure::of(Exit::Internal, format!("read the run {run}"), &e))?;
    let status = status(&info, active(&folder).as_ref());
    let report = RunReport::read(&reader, &info, status)?;
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print_text(&report.to_text(&folder.display().to_string()));
    }
    Ok(ExitCode::SUCCESS)
}
