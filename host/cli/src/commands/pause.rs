//! `longhaul pause` and `longhaul cancel`.

use super::resume;
use crate::failure::{Exit, Failure};
use crate::session::{Manner, Request, ask};
use crate::state::{Place, resolve};
use crate::terminal::say;
use longhaul_core::state::RunState;
use longhaul_engine::RunControl;
use std::process::ExitCode;

/// Pause a run that goes on in another terminal, at a safe point
///
/// It can be resumed minutes or days later with `longhaul resume`.
///
/// For example: longhaul pause last
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
}

/// End a run for good
///
/// What it has done so far is kept as a version and is not put into your folder. A run that rests can be cancelled too.
///
/// For example: longhaul cancel last
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) fn pause(place: &Place, args: &PauseArgs) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, &args.run)?;
    if !ask(&folder, &run, Request::Pause)? {
        return Err(Failure::new(Exit::Invalid, format!("run {run} is not under way"))
            .hint("`longhaul runs` tells how the runs stand"));
    }
    say(&format!("{run} is at rest; go on with `longhaul resume {run}`"));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn cancel(place: &Place, args: &CancelArgs) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let reader = place.reader()?;
    let run = resolve(&reader, &args.run)?;
    if ask(&folder, &run, Request::Cancel)? {
        say(&format!("{run} is cancelled"));
        return Ok(ExitCode::SUCCESS);
    }
    let unreadable = |e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
    let state = reader.run(&run).map_err(unreadable)?.summary.state.unwrap_or(RunState::Running);
    if !state.can_resume() {
        return Err(Failure::new(Exit::Invalid, format!("run {run} is {state} already")));
    }
    drop(reader);
    // It goes on for as long as it takes to record that it does not.
    let control = RunControl::default();
    control.cancel();
    resume::go_on(place, run.as_str(), &args.manner, resume::Carry { control, ..resume::Carry::default() })?;
    Ok(ExitCode::SUCCESS)
}
