//! The main job, killed at random moments and resumed until it completes, beside an undisturbed run.
//!
//! ```text
//!   undisturbed ──► essence ─────────────────────┐
//!   run, kill, resume, kill, … ──► essence ──────┴─► the same, and each step is in the record once
//! ```
//!
//! [`lives`] starts and kills, at [`moments`] that [`pace`] spreads over the run, [`record`] reads what came of it, [`summary`] is what is told.

mod life;
mod lives;
mod moments;
mod pace;
mod record;
mod summary;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::demo::{self, SourceTree, SourceTreeError};
use crate::narrate;
use crate::process::ProcessError;

use lives::Lives;
use moments::Moments;
use pace::Pace;
use record::Essence;

pub(crate) use summary::{Summary, json, table};

/// What is run and killed.
#[derive(Debug)]
pub(crate) struct Soak {
    /// The program.
    pub(crate) longhaul: PathBuf,
    /// What it does.
    pub(crate) workflow: PathBuf,
    /// What it does it to.
    pub(crate) tree: SourceTree,
    /// Where the copies are made.
    pub(crate) folder: PathBuf,
}

/// Why the runs are not known to survive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakError {
    #[error(transparent)]
    SourceTree(#[from] SourceTreeError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the program could not be started and killed")]
    Start(#[source] io::Error),
    #[error("{what}; everything is kept in {}", folder.display())]
    Different { what: String, folder: PathBuf },
}

impl Soak {
    /// Runs the workflow undisturbed, then with `kills` kills. A run that completes before it had all of them is followed by another.
    pub(crate) fn run(&self, kills: u32, seed: u64) -> Result<Summary, SoakError> {
        // The first run compiles the plugins; what is compared with comes after it.
        self.undisturbed("warm")?;
        let (expected, span) = self.undisturbed("undisturbed")?;
        narrate::detail(format!("undisturbed: {:.2} s, {} actions", span.as_secs_f64(), expected.actions));
        let mut summary = Summary { seed, undisturbed: span, entries: expected.entries, ..Summary::default() };
        let mut moments = Moments::new(seed);
        while summary.kills < kills {
            let number = summary.runs + 1;
            let workspace = self.copy(&format!("run-{number}"))?;
            let mut lives = Lives::new(self, workspace.clone());
            let began = Instant::now();
            let left = kills - summary.kills;
            lives.live(&mut moments, Pace::new(left, expected.actions, span), left)?;
            let took = began.elapsed();
            let found = record::read(self, &workspace)?;
            let different = |what| SoakError::Different { what, folder: workspace.clone() };
            found.same_as(&expected).map_err(different)?;
            record::same_files(&workspace, &self.folder.join("undisturbed")).map_err(different)?;
            narrate::detail(format!(
                "run {number}: {} lives, {} kills, {:.1} s, as undisturbed",
                lives.lives,
                lives.kills,
                took.as_secs_f64()
            ));
            summary.add(&lives, took, found.entries);
            // A copy for each run would fill the disk.
            drop(fs::remove_dir_all(&workspace));
        }
        drop(fs::remove_dir_all(&self.folder));
        Ok(summary)
    }

    fn undisturbed(&self, name: &str) -> Result<(Essence, std::time::Duration), SoakError> {
        let workspace = self.copy(name)?;
        let began = Instant::now();
        Lives::new(self, workspace.clone()).undisturbed()?;
        let took = began.elapsed();
        Ok((record::read(self, &workspace)?, took))
    }

    fn copy(&self, name: &str) -> Result<PathBuf, SoakError> {
        let workspace = self.folder.join(name);
        demo::copy(&self.tree.folder, &workspace)?;
        Ok(workspace)
    }
}
