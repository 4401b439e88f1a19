//! Measurements next to the bounds they have to keep.
//!
//! A measurement is a file here with one function from [`Ground`] to [`Row`]s; [`MEASUREMENTS`] lists them. The
//! optimised `longhaul` is measured from outside, as the whole process a user starts, and native tools beside it in the same way.

mod codemod;
mod conversations;
mod effects;
mod fan_out;
mod ground;
mod guests;
mod host_calls;
mod machine;
mod messages;
mod programs;
mod resume;
mod row;
mod simulation;
mod suspended;
mod trivial_run;

use crate::narrate;

pub(crate) use ground::{BenchError, Ground};
pub(crate) use row::{Row, json, table};

/// A measurement.
type Measurement = fn(&Ground) -> Result<Vec<Row>, BenchError>;

/// All measurements with what they are about. A further one is one line here.
const MEASUREMENTS: [(&str, Measurement); 15] = [
    ("the sandbox: instances, computing, file operations", programs::sandbox),
    ("the journal: what an entry costs", programs::store),
    ("recorded host calls, whole process", host_calls::measure),
    ("memory: what is kept, and found again", programs::memory),
    ("commands: what their sandbox adds to a bare start", programs::commands),
    ("limits of requests to models, in virtual time", programs::pace),
    ("durable effects, and how often they flush the disk", effects::measure),
    ("a trivial workflow, whole process, warm cache", trivial_run::measure),
    ("a fan-out of 1000 tasks, whole process", fan_out::measure),
    ("resume along 1000 to 100 000 recorded actions", resume::measure),
    ("10 000 suspended attempts", suspended::measure),
    ("messages between two agents", messages::measure),
    ("1000 conversations that wait", conversations::measure),
    ("simulated runs of seven hours under faults", simulation::measure),
    ("codemod over 1000 files, beside a native tool", codemod::measure),
];

/// Takes all measurements that are about `only`, one after the other; nothing else should run meanwhile.
pub(crate) fn measure(ground: &Ground, only: &str) -> Result<Vec<Row>, BenchError> {
    narrate::result(format!("{}\n", machine::told()));
    let mut rows = Vec::new();
    for (about, measurement) in MEASUREMENTS.into_iter().filter(|(about, _)| about.contains(only)) {
        narrate::step(format!("Measuring {about}"));
        rows.extend(measurement(ground)?);
    }
    Ok(rows)
}
