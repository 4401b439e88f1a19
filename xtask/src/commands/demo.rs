//! `cargo xtask demo`: the main job on real input.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::commands::build::{Build, BuildError};
use crate::demo::{self, SourceTreeError};
use crate::house::{House, HouseError};
use crate::narrate;
use crate::process::{self, ProcessError};

/// The main job, relative to the root folder.
pub(super) const WORKFLOW: &str = "examples/modernise/modernise.workflow.yaml";

/// Build everything and run the main job on a copy of a real source tree
#[derive(Debug, Args)]
pub(crate) struct Demo {
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
    House(#[from] HouseError),
    #[error(transparent)]
    SourceTree(#[from] SourceTreeError),
    #[error("the run did not succeed; its report above says why")]
    Run(#[source] ProcessError),
}

impl Demo {
    /// Builds, copies, runs, and tells what to look at next.
    pub(crate) fn run(&self, house: &House) -> Result<(), DemoError> {
        let release = self.profile == Profile::Release;
        Build { release }.run(house)?;
        let tree = demo::largest(&house.metadata(&[])?)?;
        let workspace = house.target.join("demo").join(&tree.name);
        let longhaul = house.longhaul(release);
        narrate::step(format!("Copying {} ({} files), a code base of somebody else", tree.name, tree.files));
        narrate::detail(format!("from {} (which stays as it is)", tree.folder.display()));
        narrate::detail(format!("to   {}", workspace.display()));
        demo::copy(&tree, &workspace)?;
        narrate::step("Letting sandboxed agents modernise the copy");
        let arguments = ["run".into(), house.root.join(WORKFLOW), "--workspace".into(), workspace.clone()];
        narrate::detail(format!("{} run {WORKFLOW} --workspace {}", longhaul.display(), workspace.display()));
        process::show(Command::new(&longhaul).args::<_, PathBuf>(arguments)).map_err(DemoError::Run)?;
        narrate::step("Look at it next:");
        for (command, why) in
            [("show last", "the tasks, and what each one cost"), ("logs last --actions", "every action of every agent")]
        {
            narrate::detail(format!("{} {command} --workspace {}    # {why}", longhaul.display(), workspace.display()));
        }
        let diff = format!("diff -r {} {}", tree.folder.display(), workspace.display());
        narrate::detail(format!("{diff}    # what changed"));
        Ok(())
    }
}
