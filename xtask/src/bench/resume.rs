//! How long a killed run needs to be where it was: from the start of `longhaul resume` to the next action that is not replayed.
//!
//! One attempt makes host calls and then waits; its process is killed while it does. When the time has come, the
//! process that resumes brings a fresh instance to the same place along all recorded calls, and the end of the wait is the
//! first thing that it adds. Its time in the record, of milliseconds, is compared with the time at which the process was started.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::bench::ground::median;
use crate::bench::guests::{self, UnderWay};
use crate::bench::{BenchError, Ground, Row};
use crate::process;

/// Recorded actions, with the bound in milliseconds.
const LENGTHS: [(u32, f64); 3] = [(1_000, 100.0), (20_000, 100.0), (100_000, 500.0)];
/// The guest asks for a file's metadata, for which its standard library looks at the file twice.
const ACTIONS_OF_A_CALL: u32 = 2;
/// Actions beside those: the guest looks at the clock before it waits, and the wait is one.
const MORE: usize = 2;
const RUNS: usize = 5;
/// What an action may cost more in a long history than in a short one. In a quadratic replay it would be five times.
const BOUND_RATIO: f64 = 1.5;
/// Longer than what keeps its instance, and short enough to be waited for.
const WAIT: Duration = Duration::from_millis(3_000);

/// Measures each length, then what an action costs behind the first 20 000 beside those before.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    let mut millis = Vec::new();
    for (length, bound) in LENGTHS {
        let took = resume(ground, length)?.as_secs_f64() * 1e3;
        millis.push(took);
        rows.push(Row::new(format!("resume along {length} actions, to the next live one"), took, bound, "ms"));
    }
    if let [short, middle, long] = millis[..] {
        let [first, second] = [(middle - short) / 19e3, (long - middle) / 80e3];
        let name = "resume: an action of the last 80 000 of 100 000 against one of the first 20 000";
        rows.push(Row::new(name, second / first, BOUND_RATIO, "ratio"));
    }
    Ok(rows)
}

fn resume(ground: &Ground, length: u32) -> Result<Duration, BenchError> {
    let calls = length / ACTIONS_OF_A_CALL;
    let wait = format!("  wait: {{ with: {{ mode: wait, calls: {calls}, millis: {} }} }}\n", WAIT.as_millis());
    let killed = guests::workspace(ground, &format!("resume-{length}"), &wait)?;
    let mut under_way = UnderWay::start(ground, &killed)?;
    under_way.until_suspended(ground, &killed, 1)?;
    drop(under_way);
    thread::sleep(WAIT);
    let mut durations = Vec::new();
    for run in 0..RUNS {
        // Each one from the same state: a run that was resumed is done.
        let folder = ground.empty_folder(&format!("resume-{length}-{run}"))?;
        process::capture(Command::new("cp").arg("-a").arg(killed.join(".")).arg(&folder))?;
        let began = SystemTime::now();
        process::capture(ground.longhaul_in(&folder).args(["resume", "last", "--quiet"]))?;
        let live = live(ground, &folder, length)?;
        durations.push(live.duration_since(began).unwrap_or_default());
    }
    Ok(median(durations))
}

/// The time of the last action in the record, which has to be the only one behind the recorded ones: `length` and few more.
fn live(ground: &Ground, folder: &Path, length: u32) -> Result<SystemTime, BenchError> {
    let log = process::capture(ground.longhaul_in(folder).args(["logs", "last", "--json"]))?;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let actions: Vec<Value> = lines.filter(|line| line["kind"] == "action").collect();
    let last = actions.last().filter(|last| last["operation"] == "wait" && actions.len() == length as usize + MORE);
    let at = last.and_then(|last| last["at"].as_u64()).ok_or_else(|| {
        let shown = actions.last().map(Value::to_string).unwrap_or_default();
        BenchError::Unexpected(format!("the record ends with action {} of {length}: {shown}", actions.len()))
    })?;
    Ok(UNIX_EPOCH + Duration::from_millis(at))
}
