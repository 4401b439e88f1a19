//! [`Ground`]: the built programs, a scratch folder, and how a whole process is timed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::house::House;
use crate::process::{self, ProcessError};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("what is measured failed, so there is no figure")]
    Failed(#[from] ProcessError),
    #[error("{path} could not be used as scratch space")]
    Scratch { path: PathBuf, source: io::Error },
    #[error("`{program}` printed something else than figures: {line}")]
    NoFigure { program: &'static str, line: String },
    #[error("{0}")]
    Unexpected(String),
    #[error("`longhaul init` wrote no file that ends in .workflow.yaml to {0}")]
    NoWorkflow(PathBuf),
    #[error("{longhaul} of {files} files came out as the native tool left them; the workflow does not do the job")]
    DifferentWork { longhaul: usize, files: usize },
}

/// Where measurements take place.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The repository.
    pub(crate) house: House,
    /// The optimised program.
    pub(crate) longhaul: PathBuf,
    examples: PathBuf,
    scratch: PathBuf,
}

impl Ground {
    /// Builds the native tools; the host has been built before.
    pub(crate) fn prepare(house: &House) -> Result<Ground, BenchError> {
        let mut cargo = house.cargo();
        cargo.args(["build", "--release", "--quiet", "--package", "xtask", "--examples"]);
        process::show(&mut cargo)?;
        Ok(Ground {
            house: house.clone(),
            longhaul: house.longhaul(true),
            examples: house.target.join("release/examples"),
            scratch: house.target.join("bench").join(std::process::id().to_string()),
        })
    }

    /// Takes the scratch space away, after everything was measured: a file system goes on looking at files that were deleted for
    /// minutes, whenever it makes new ones, and that time would be measured.
    pub(crate) fn clear(&self) {
        // What is left takes room below the target folder and does no harm.
        drop(fs::remove_dir_all(&self.scratch));
    }

    /// A program out of `xtask/examples`.
    pub(crate) fn native(&self, name: &str) -> Command {
        Command::new(self.examples.join(name))
    }

    /// A new empty folder.
    pub(crate) fn empty_folder(&self, name: &str) -> Result<PathBuf, BenchError> {
        let path = self.scratch.join(name);
        fs::create_dir_all(&path).map_err(|source| BenchError::Scratch { path: path.clone(), source })?;
        Ok(path)
    }

    /// Runs `longhaul` in a folder.
    pub(crate) fn longhaul_in(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.longhaul);
        command.current_dir(folder);
        command
    }
}

/// Writes a file of the scratch space.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::Scratch { path: path.to_path_buf(), source })
}

/// How long a process takes from its start to its end.
pub(crate) fn time(command: &mut Command) -> Result<Duration, BenchError> {
    let start = Instant::now();
    process::capture(command)?;
    Ok(start.elapsed())
}

/// The middle one of some durations.
pub(crate) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_run_does_not_move_the_median() {
        let millis = [3, 900, 1, 2, 4].map(Duration::from_millis);
        assert_eq!(median(millis.to_vec()), Duration::from_millis(3));
    }
}
