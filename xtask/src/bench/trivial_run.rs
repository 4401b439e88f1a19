//! A trivial workflow, from the start of the process to its end: what a user waits for at the least.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::ground::{median, time};
use crate::bench::{BenchError, Ground, Row};
use crate::process;

const RUNS: usize = 21;
const BOUND_MS: f64 = 30.0;

/// Runs what `longhaul init` writes, once to warm the cache and then [`RUNS`] times.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let folder = ground.empty_folder("trivial")?;
    process::capture(ground.longhaul_in(&folder).arg("init"))?;
    let workflow = workflow_in(&folder).ok_or_else(|| BenchError::NoWorkflow(folder.clone()))?;
    let run = || time(ground.longhaul_in(&folder).arg("run").arg(&workflow));
    run()?;
    let durations = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let milliseconds = median(durations).as_secs_f64() * 1e3;
    Ok(vec![Row::new("run of a trivial workflow, whole process, warm cache", milliseconds, BOUND_MS, "ms")])
}

fn workflow_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|file| file.path());
    files.into_iter().find(|path| path.to_string_lossy().ends_with(".workflow.yaml"))
}
