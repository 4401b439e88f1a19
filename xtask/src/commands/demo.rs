//! `cargo xtask demo`: the main job on real input, and other scenarios.

use std::path::Path;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::commands::build::{Build, BuildError};
use crate::house::House;
use crate::narrate;
use crate::process::{self, ProcessError};
use crate::scenario::{Scenario, ScenarioError, Stage};
use crate::toolchain;

/// Build everything and run a scenario: the main job on a copy of a real source tree, where no other is named
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// What is shown
    #[arg(value_enum, default_value_t = Scenario::Modernise)]
    scenario: Scenario,
    /// How the host is compiled: `release` runs faster and builds longer
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    profile: Profile,
}

/// A cargo profile of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("the run did not succeed; its report above says why")]
    Run(#[source] ProcessError),
}

impl Demo {
    /// Builds, copies, runs, and tells what to look at next.
    pub(crate) fn run(&self, house: &House) -> Result<(), DemoError> {
        let release = self.profile == Profile::Release;
        Build { release }.run(house)?;
        let longhaul = house.longhaul(release);
        let Stage { workspace, what, original } = self.scenario.prepare(house)?;
        narrate::step(format!("Made a workspace: {what}"));
        if let Some(original) = &original {
            narrate::detail(format!("from {} (which stays as it is)", original.display()));
        }
        narrate::detail(format!("to   {}", workspace.display()));
        let workflow = self.scenario.workflow();
        narrate::step("Letting sandboxed agents work on it");
        // Where the scenario builds and tests something, its commands need a toolchain, which may lie in somebody's home folder.
        let tools = toolchain::sysroot(house).map_err(DemoError::Run)?;
        let (workflow, folder, tools) = (Path::new(&workflow), workspace.display(), tools.display());
        narrate::detail(format!(
            "{} run {} --workspace {folder} --tools {tools}",
            longhaul.display(),
            workflow.display()
        ));
        let mut run = Command::new(&longhaul);
        run.arg("run")
            .arg(house.root.join(workflow))
            .arg("--workspace")
            .arg(&workspace)
            .arg("--tools")
            .arg(tools.to_string());
        process::show(&mut run).map_err(DemoError::Run)?;
        narrate::step("Look at it next:");
        for (command, why) in
            [("show last", "the tasks, and what each one cost"), ("logs last --actions", "every action of every agent")]
        {
            narrate::detail(format!("{} {command} --workspace {}    # {why}", longhaul.display(), workspace.display()));
        }
        if let Some(original) = original {
            let diff = format!("diff -r {} {}", original.display(), workspace.display());
            narrate::detail(format!("{diff}    # what changed"));
        }
        Ok(())
    }
}
