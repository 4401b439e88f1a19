//! A task that fans out into a thousand small ones, each on a fresh instance: what a task costs with all that is around it.

use crate::bench::ground::{median, time};
use crate::bench::{BenchError, Ground, Row, guests};

const TASKS: u32 = 1000;
const RUNS: usize = 7;
/// 5 000 tasks a second.
const BOUND_US: f64 = 200.0;

/// Times whole processes, so start, import, record and report are shared by the tasks.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let elements: Vec<_> = (0..TASKS).map(|n| n.to_string()).collect();
    let tasks = format!("  work: {{ for_each: [{}], reuse: false, with: {{ mode: nothing }} }}\n", elements.join(", "));
    let folder = guests::workspace(ground, "fan-out", &tasks)?;
    let run = || time(&mut guests::run(ground, &folder));
    run()?;
    let durations = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let each = median(durations).as_secs_f64() * 1e6 / f64::from(TASKS);
    Ok(vec![Row::new(format!("fan-out of {TASKS} tasks on fresh instances, each"), each, BOUND_US, "µs")])
}
