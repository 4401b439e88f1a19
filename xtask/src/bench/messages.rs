//! Messages between two agents: bursts, each of which is answered once, so that both sides wait for the other one again and again.

use crate::bench::ground::{median, time};
use crate::bench::guests::{self, Flow};
use crate::bench::{BenchError, Ground, Row};

const ROUNDS: u32 = 400;
const BURST: u32 = 100;
const RUNS: usize = 5;
/// In a second.
const BOUND: f64 = 20_000.0;

/// Times whole processes.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let tasks =
        format!("  ping: {{ with: {{ to: pong, rounds: {ROUNDS}, burst: {BURST} }} }}\n  pong: {{ with: {{}} }}\n");
    let flow = Flow { name: "messages", agents: &["talk"], at_a_time: 64, model: None, tasks: &tasks };
    let folder = guests::workspace_of(ground, &flow)?;
    let run = || time(&mut guests::run(ground, &folder));
    run()?;
    let durations = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let messages = f64::from(ROUNDS * (BURST + 1) + 1);
    let rate = messages / median(durations).as_secs_f64();
    Ok(vec![Row::at_least("messages between two agents, whole process", rate, BOUND, "1/s")])
}
