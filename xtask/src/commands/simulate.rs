//! `cargo xtask simulate`: runs of many hours under a virtual clock, with faults from one seed.

use clap::Args;

use crate::house::House;
use crate::narrate;
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

impl Simulate {
    /// Builds the simulation optimised and lets it run.
    pub(crate) fn run(&self, house: &House) -> Result<(), ProcessError> {
        narrate::step("Building the simulation, optimised");
        let mut cargo = house.cargo();
        cargo.args(["run", "--release", "--quiet", "--package", "longhaul-simulation", "--example", "simulate", "--"]);
        cargo.args(["--seed", &self.seed.to_string(), "--runs", &self.runs.to_string(), "--files", &self.files]);
        cargo.args(["--rates", &self.rates, "--times", &self.times.to_string()]);
        cargo.args(self.json.then_some("--json"));
        cargo.args(self.keep.iter().flat_map(|folder| ["--keep", folder]));
        process::show(&mut cargo)
    }
}
