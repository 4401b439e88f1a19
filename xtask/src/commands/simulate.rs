//! `cargo xtask simulate`: runs of many hours under a virtual clock, with faults from one seed.

use std::process::{Command, Stdio};

use clap::Args;

use crate::house::House;
use crate::narrate;
use crate::nights::{self, Nights};
use crate::process::{self, ProcessError};

/// Simulate runs of many hours in which everything goes wrong, and hold each against an undisturbed one
///
/// Engine, store and workspace are those that ship; agents are functions, and time is virtual. A run that is lost is told with the
/// command that gives it again.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The first run's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs for each size of project
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// Files of the projects
    #[arg(long, default_value = "100,500,1200", value_name = "NUMBERS")]
    files: String,
    /// How often what goes wrong: `usual` as on a machine that one would keep, `high` far more often
    #[arg(long, default_value = "high", value_parser = ["usual", "high"])]
    rates: String,
    /// Let everything go wrong this many times as often
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Print a row of JSON for each size
    #[arg(long)]
    json: bool,
    /// Simulate in this folder, and leave there what the last run came to: `longhaul logs --state FOLDER/state` reads it
    #[arg(long, value_name = "FOLDER")]
    keep: Option<String>,
}

/// Why a simulation says nothing good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimulateError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the simulation printed something else than figures: {0}")]
    NoFigure(String),
    #[error("runs were lost; the lines above have the command that gives each of them again")]
    Lost,
}

impl Simulate {
    /// Builds the simulation optimised, lets it run and prints what it came to.
    pub(crate) fn run(&self, house: &House) -> Result<(), SimulateError> {
        narrate::step("Building the simulation, optimised");
        Nights::build(house)?;
        let mut simulate = Command::new(house.target.join("release/examples").join(nights::PROGRAM));
        simulate.args(["--seed", &self.seed.to_string(), "--runs", &self.runs.to_string(), "--files", &self.files]);
        simulate.args(["--rates", &self.rates, "--times", &self.times.to_string()]);
        simulate.args(self.keep.iter().flat_map(|folder| ["--keep", folder]));
        // How far it is, and which runs were lost, is told on the terminal.
        let text = process::capture(simulate.stderr(Stdio::inherit()))?;
        let read = |line: &str| Nights::read(line).ok_or_else(|| SimulateError::NoFigure(line.to_owned()));
        let all = text.lines().map(read).collect::<Result<Vec<_>, _>>()?;
        narrate::result(if self.json { text } else { nights::table(&all) }.trim_end());
        match all.iter().all(|nights| nights.figure("lost") == 0.0) {
            true => Ok(()),
            false => Err(SimulateError::Lost),
        }
    }
}
