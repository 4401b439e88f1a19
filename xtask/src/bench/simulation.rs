//! Runs of many hours under faults, in virtual time: how many come to an end that loses nothing, and what the host takes meanwhile.

use serde_json::Value;

use crate::bench::{BenchError, Ground, Row};
use crate::process;

/// The simulation's measuring program.
const PROGRAM: &str = "simulate";
const RUNS: &str = "40";
const BOUND_MB: f64 = 60.0;
/// What a run takes after its first hour is what the database keeps in its cache, to 2 MB, and what the end needs for a moment.
const BOUND_GROWTH: f64 = 1.25;
/// What the checkpoints of a run may take.
const BOUND_DISK_MB: f64 = 300.0;

/// Simulates runs over projects of three sizes.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.cargo();
    process::show(cargo.args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "longhaul-simulation",
        "--example",
        PROGRAM,
    ]))?;
    let text = process::capture(ground.native(PROGRAM).args(["--json", "--runs", RUNS]))?;
    text.lines().map(rows).collect::<Result<Vec<_>, _>>().map(|rows| rows.into_iter().flatten().collect())
}

fn rows(line: &str) -> Result<Vec<Row>, BenchError> {
    let no_figure = || BenchError::NoFigure { program: PROGRAM, line: line.to_owned() };
    let row: Value = serde_json::from_str(line).map_err(|_| no_figure())?;
    let figure = |name: &str| row[name].as_f64().ok_or_else(no_figure);
    let (files, runs, lost) = (figure("files")?, figure("runs")?, figure("lost")?);
    let of = |what: &str| format!("simulated runs over {files} files: {what}");
    Ok(vec![
        Row::new(of("lost"), lost / runs * 100.0, 0.0, "%"),
        Row::new(of("peak host memory"), figure("memory_mb")?, BOUND_MB, "MB"),
        Row::new(of("peak host memory against the first hour's"), figure("memory_growth")?, BOUND_GROWTH, "ratio"),
        Row::new(of("peak state folder"), figure("disk_mb")?, BOUND_DISK_MB, "MB"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_run_passes_its_bound_and_a_missing_figure_is_told() {
        let line = r#"{"files":100,"runs":40,"lost":1,"memory_mb":15.2,"memory_growth":1.03,"disk_mb":2.5}"#;
        let verdicts: Vec<bool> = rows(line).unwrap().iter().map(Row::ok).collect();
        assert_eq!(verdicts, [false, true, true, true]);
        assert!(rows(r#"{"files":100,"runs":40}"#).is_err());
    }
}
