//! `cargo xtask lint`: clippy and rustdoc, no warning left.

use clap::Args;

use crate::commands::plugins::{Plugins, PluginsError};
use crate::house::{House, HouseError};
use crate::narrate;
use crate::process::{self, ProcessError};

/// Run clippy and build the documentation, with every warning an error
#[derive(Debug, Args)]
pub(crate) struct Lint {}

/// Why the lints do not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LintError {
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    #[error(transparent)]
    House(#[from] HouseError),
    #[error("clippy found something; its messages above say what")]
    Clippy(#[source] ProcessError),
    #[error("the documentation has warnings; the messages above say where")]
    Documentation(#[source] ProcessError),
}

impl Lint {
    /// Builds the plugins, which the host embeds, and checks everything that compiles natively.
    pub(crate) fn run(&self, house: &House) -> Result<(), LintError> {
        Plugins {}.run(house)?;
        check(house)
    }
}

/// The checks alone, for a caller that has built the plugins.
pub(crate) fn check(house: &House) -> Result<(), LintError> {
    let native = house.native_members()?;
    narrate::step("Checking the code with clippy");
    let mut clippy = house.host_cargo();
    clippy.arg("clippy").args(&native).args(["--all-targets", "--", "-D", "warnings"]);
    process::show(&mut clippy).map_err(LintError::Clippy)?;
    narrate::step("Building the documentation");
    let mut doc = house.host_cargo();
    doc.arg("doc").args(&native).args(["--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    process::show(&mut doc).map_err(LintError::Documentation)
}
