//! `cargo xtask soak`: the main job, killed again and again.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::commands::build::{Build, BuildError};
use crate::commands::demo::Profile;
use crate::demo::{self, SourceTreeError};
use crate::house::{House, HouseError};
use crate::narrate;
use crate::scenario::Scenario;
use crate::soak::{self, Soak, SoakError};

/// The kills of a short soak: seconds, and enough to hit each kind of moment every few days of continuous integration.
const SHORT: u32 = 25;

/// Kill a run of the main job at random moments and compare what it comes to with an undisturbed run
///
/// The run goes on with `longhaul resume` after each kill. Should it complete before it was killed often enough, another one
/// follows. The first difference ends it and keeps the folder.
#[derive(Debug, Args)]
pub(crate) struct SoakCommand {
    /// How many kills have to hit a process at work
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// What the moments derive from, to have them again [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Write the summary to this file as JSON as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How the host is compiled
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    profile: Profile,
}

/// Why the runs are not known to survive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakCommandError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    House(#[from] HouseError),
    #[error(transparent)]
    SourceTree(#[from] SourceTreeError),
    #[error("with the seed {seed}, which gives the same moments again by `--seed {seed}`")]
    Soak { seed: u64, source: SoakError },
    #[error("{path} could not be written; the table above has the figures")]
    Json { path: PathBuf, source: io::Error },
}

impl SoakCommand {
    /// A short one, as the tests end with.
    pub(crate) fn short() -> Self {
        Self { kills: SHORT, seed: None, json: None, profile: Profile::Dev }
    }

    /// Builds, runs, kills, compares, tells.
    pub(crate) fn run(&self, house: &House) -> Result<(), SoakCommandError> {
        let release = self.profile == Profile::Release;
        Build { release }.run(house)?;
        let seed = self.seed.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // The lower digits, which are enough to differ and few enough to be typed.
            since.as_micros() as u64 % 1_000_000_000
        });
        let tree = demo::largest(&house.metadata(&[])?)?;
        narrate::step(format!(
            "Killing runs over {} ({} files), {} times, seed {seed}",
            tree.name, tree.files, self.kills
        ));
        let soak = Soak {
            longhaul: house.longhaul(release),
            workflow: house.root.join(Scenario::Modernise.workflow()),
            tree,
            folder: house.target.join("soak").join(std::process::id().to_string()),
        };
        let summary = soak.run(self.kills, seed).map_err(|source| SoakCommandError::Soak { seed, source })?;
        narrate::result(soak::table(&summary).trim_end());
        let Some(path) = &self.json else { return Ok(()) };
        let text = format!("{:#}\n", soak::json(&summary));
        fs::write(path, text).map_err(|source| SoakCommandError::Json { path: path.clone(), source })
    }
}
