//! The commands of `cargo xtask`, one file each; a command's doc comment is its help.

mod bench;
mod build;
mod demo;
mod lint;
mod plugin;
mod plugins;
mod simulate;
mod soak;
mod test;
mod tidy;

use std::error::Error;

use clap::Parser;

use crate::house::House;

/// Automate work on this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) enum Xtask {
    Demo(demo::Demo),
    Test(test::Test),
    Build(build::Build),
    Plugins(plugins::Plugins),
    Plugin(plugin::Plugin),
    Tidy(tidy::Tidy),
    Lint(lint::Lint),
    Bench(bench::Bench),
    Soak(soak::SoakCommand),
    Simulate(simulate::Simulate),
}

impl Xtask {
    /// Runs the chosen command.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let house = House::find();
        match self {
            Xtask::Demo(command) => command.run(&house)?,
            Xtask::Test(command) => command.run(&house)?,
            Xtask::Build(command) => command.run(&house)?,
            Xtask::Plugins(command) => command.run(&house)?,
            Xtask::Plugin(command) => command.run(&house)?,
            Xtask::Tidy(command) => command.run(&house)?,
            Xtask::Lint(command) => command.run(&house)?,
            Xtask::Bench(command) => command.run(&house)?,
            Xtask::Soak(command) => command.run(&house)?,
            Xtask::Simulate(command) => command.run(&house)?,
        }
        Ok(())
    }
}
