//! `cargo xtask bench`: figures next to their bounds.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::bench::{self, BenchError, Ground};
use crate::commands::build::{Build, BuildError};
use crate::house::House;
use crate::narrate;

/// Measure the optimised program and print each figure next to its bound
///
/// Let nothing else run meanwhile. A figure over its bound is marked in the table; it is no failure of the command.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Write the rows to this file as JSON as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only measurements that are about this, as the lines that announce them say
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchCommandError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("{path} could not be written; the table above has the figures")]
    Json { path: PathBuf, source: io::Error },
}

impl Bench {
    /// Builds, measures, prints.
    pub(crate) fn run(&self, house: &House) -> Result<(), BenchCommandError> {
        Build { release: true }.run(house)?;
        let ground = Ground::prepare(house)?;
        let rows = bench::measure(&ground, &self.only);
        ground.clear();
        let rows = rows?;
        narrate::result(bench::table(&rows).trim_end());
        let Some(path) = &self.json else { return Ok(()) };
        let text = format!("{:#}\n", bench::json(&rows));
        fs::write(path, text).map_err(|source| BenchCommandError::Json { path: path.clone(), source })
    }
}
