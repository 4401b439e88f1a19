//! `cargo xtask build`: the `longhaul` program with the bundled plugins inside.

use clap::Args;

use crate::commands::plugins::{Plugins, PluginsError};
use crate::house::House;
use crate::narrate;
use crate::process::{self, ProcessError};

/// Build the plugins and the `longhaul` program that carries them
#[derive(Debug, Args, Default)]
pub(crate) struct Build {
    /// Optimise the program, which takes several minutes the first time
    #[arg(long)]
    pub(crate) release: bool,
}

/// Why the build failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    #[error("the host was not built; the compiler's messages above say why")]
    Host(#[source] ProcessError),
}

impl Build {
    /// Builds the plugins, then the host.
    pub(crate) fn run(&self, house: &House) -> Result<(), BuildError> {
        Plugins {}.run(house)?;
        narrate::step("Building the host with the plugins inside (several minutes the first time, then seconds)");
        let mut cargo = house.host_cargo();
        cargo.args(["build", "--package", "longhaul-cli"]);
        if self.release {
            cargo.arg("--release");
        }
        process::show(&mut cargo).map_err(BuildError::Host)
    }
}
