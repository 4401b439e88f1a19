//! Ten thousand attempts that wait: their instances are gone, and what is left of them in the host is its book-keeping.

use crate::bench::guests::{self, UnderWay};
use crate::bench::{BenchError, Ground, Row};

const ATTEMPTS: usize = 10_000;
const BOUND_MB: f64 = 60.0;
/// Longer than the measurement takes.
const WAIT_MS: u64 = 3_600_000;

/// Takes the peak of the process when all of them wait.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let elements: Vec<_> = (0..ATTEMPTS).map(|n| n.to_string()).collect();
    let wait = format!("with: {{ mode: wait, calls: 1, millis: {WAIT_MS} }}");
    let folder = guests::workspace(
        ground,
        "suspended",
        &format!("  wait: {{ for_each: [{}], {wait} }}\n", elements.join(", ")),
    )?;
    let mut under_way = UnderWay::start(ground, &folder)?;
    under_way.until_suspended(ground, &folder, ATTEMPTS)?;
    let memory = under_way.peak_memory()? / 1e6;
    Ok(vec![Row::new(format!("peak host memory, {ATTEMPTS} suspended attempts"), memory, BOUND_MB, "MB")])
}
