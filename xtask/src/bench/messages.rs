//! Messages between two agents, and conversations that wait: a thousand tasks, each suspended until somebody writes to it.

use crate::bench::ground::{median, time};
use crate::bench::guests::{self, UnderWay};
use crate::bench::{BenchError, Ground, Row};
use std::path::Path;

const ROUNDS: u32 = 400;
const BURST: u32 = 100;
const RUNS: usize = 5;
/// 20 000 messages a second.
const BOUND_US: f64 = 50.0;
const CONVERSATIONS: usize = 1_000;
const BOUND_MB: f64 = 200.0;
/// Longer than the measurement takes.
const WAIT_MS: u64 = 3_600_000;

/// Times whole processes, and takes the peak of one in which all conversations wait.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let tasks =
        format!("  ping: {{ with: {{ to: pong, rounds: {ROUNDS}, burst: {BURST} }} }}\n  pong: {{ with: {{}} }}\n");
    let folder = guests::workspace_of(ground, "messages", "talk", &tasks)?;
    let run = || time(&mut guests::run(ground, &folder));
    run()?;
    let durations = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let messages = f64::from(ROUNDS * (BURST + 1) + 1);
    let each = median(durations).as_secs_f64() * 1e6 / messages;
    let elements: Vec<_> = (0..CONVERSATIONS).map(|n| n.to_string()).collect();
    // One more task sleeps meanwhile: that all the others wait is no deadlock then.
    let tasks = format!(
        "  hear: {{ for_each: [{}], with: {{}} }}\n  sleep: {{ agent: guest, with: {{ mode: wait, calls: 1, millis: {WAIT_MS} }} }}\n",
        elements.join(", ")
    );
    let memory = waiting(ground, &guests::workspace_of(ground, "conversations", "talk", &tasks)?)?;
    Ok(vec![
        Row::new("message between two agents, whole process", each, BOUND_US, "µs"),
        Row::new(format!("peak host memory, {CONVERSATIONS} waiting conversations"), memory, BOUND_MB, "MB"),
    ])
}

/// Megabytes that the process had at most when all conversations waited.
fn waiting(ground: &Ground, folder: &Path) -> Result<f64, BenchError> {
    let mut under_way = UnderWay::start(ground, folder)?;
    under_way.until_suspended(ground, folder, CONVERSATIONS + 1)?;
    Ok(under_way.peak_memory()? / 1e6)
}
