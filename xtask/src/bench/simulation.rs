//! Runs of many hours under faults, in virtual time: how many come to an end that loses nothing, and what the host takes meanwhile.

use crate::bench::{BenchError, Ground, Row};
use crate::narrate;
use crate::nights::{self, Nights};
use crate::process;

const RUNS: &str = "40";
/// How often what goes wrong, as the simulation calls it and as a table is headed.
const RATES: [(&str, &str); 2] =
    [("usual", "faults as on a machine that one would keep"), ("high", "far more faults than that")];
/// Completed alone at usual rates, in percent, that was to be beaten, over at most so many files.
const TO_BEAT: [(f64, f64); 3] = [(100.0, 98.0), (500.0, 92.0), (f64::INFINITY, 85.0)];
const BOUND_MB: f64 = 60.0;
/// What a run takes after its first hour is what the database keeps in its cache, to 2 MB, and what the end needs for a moment.
const BOUND_GROWTH: f64 = 1.25;
/// What the checkpoints of a run may take.
const BOUND_DISK_MB: f64 = 300.0;

/// Simulates runs over projects of three sizes, and prints what they came to as a table of its own.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    Nights::build(&ground.house)?;
    let mut rows = Vec::new();
    for (rates, told) in RATES {
        let text = process::capture(ground.native(nights::PROGRAM).args(["--runs", RUNS, "--rates", rates]))?;
        let read = |line: &str| {
            let line = line.to_owned();
            Nights::read(&line).ok_or(BenchError::NoFigure { program: nights::PROGRAM, line })
        };
        let all = text.lines().map(read).collect::<Result<Vec<_>, _>>()?;
        narrate::result(format!("Simulated nights, {told}:\n\n{}", nights::table(&all)));
        rows.extend(all.iter().flat_map(|nights| of_size(nights, rates)));
    }
    Ok(rows)
}

fn of_size(nights: &Nights, rates: &str) -> Vec<Row> {
    let figure = |name| nights.figure(name);
    let files = figure("files");
    let of = |what: &str| format!("simulated nights, {rates} faults, {files} files: {what}");
    let mut rows = vec![Row::at_least(of("completed, alone or after a person"), nights.completed(), 100.0, "%")];
    let to_beat = TO_BEAT.iter().find(|(most, _)| rates == "usual" && files <= *most);
    rows.extend(to_beat.map(|(_, bound)| {
        Row::at_least(of("completed alone"), figure("completed") / figure("runs") * 100.0, *bound, "%")
    }));
    rows.push(Row::new(of("peak host memory"), figure("memory_mb"), BOUND_MB, "MB"));
    rows.push(Row::new(
        of("peak host memory against the first hour's"),
        figure("memory_growth"),
        BOUND_GROWTH,
        "ratio",
    ));
    rows.push(Row::new(of("peak state folder"), figure("disk_mb"), BOUND_DISK_MB, "MB"));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_run_misses_its_bound_and_so_does_a_figure_that_is_missing() {
        let line = r#"{"files":500,"runs":40,"completed":38,"lost":1,"memory_mb":15.2,"memory_growth":1.03}"#;
        let rows = |rates| of_size(&Nights::read(line).unwrap(), rates).iter().map(Row::ok).collect::<Vec<_>>();
        assert_eq!(rows("usual"), [false, true, true, true, false]);
        assert_eq!(rows("high"), [false, true, true, false]);
    }
}
