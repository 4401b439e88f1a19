//! Recorded host calls: one guest that makes a great many, each with an answer that has to be in the record.

use crate::bench::ground::{median, time};
use crate::bench::{BenchError, Ground, Row, guests};
use crate::process;

const CALLS: usize = 600_000;
const RUNS: usize = 5;
/// In a second: 3.3 µs each.
const BOUND: f64 = 300_000.0;

/// Times whole processes: until the last entry is durable, start and end of the run included.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let tasks = format!("  ask: {{ with: {{ mode: clock, calls: {CALLS} }} }}\n");
    let folder = guests::workspace(ground, "host-calls", &tasks)?;
    let run = || time(&mut guests::run(ground, &folder));
    run()?;
    let log = process::capture(ground.longhaul_in(&folder).args(["logs", "last", "--json"]))?;
    let recorded = log.lines().filter(|line| line.contains(r#""capability":"clock""#)).count();
    if recorded != CALLS {
        return Err(BenchError::Unexpected(format!("the record has {recorded} of {CALLS} calls for the time")));
    }
    let durations = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let rate = CALLS as f64 / median(durations).as_secs_f64();
    Ok(vec![Row::at_least("recorded host calls of one guest, whole process", rate, BOUND, "1/s")])
}
