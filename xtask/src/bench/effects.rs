//! What an effect costs that has to be durable before it happens, and how often the disk is flushed for it.
//!
//! The wiring's measuring program does effects one after the other, in a world outside that answers at once. The flushes are counted by
//! the kernel's account, through `strace`, as the difference between two runs: what opening and closing a journal takes is no part of it.

use std::path::Path;
use std::process::Command;

use crate::bench::{BenchError, Ground, Row, programs};
use crate::process;

const PROGRAM: &str = "measure_effects";
/// Effects of the two runs whose flushes are compared.
const FEW: u32 = 100;
const MANY: u32 = 2_100;
/// What one effect may flush. Its outcome and the next one's intent share a flush.
const BOUND: f64 = 1.3;

/// Measures the time, then the flushes.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    process::show(cargo.args(["build", "--release", "--quiet", "--package", "longhaul-wiring", "--example", PROGRAM]))?;
    let mut rows = programs::rows(PROGRAM, &process::capture(&mut ground.native(PROGRAM))?)?;
    rows.push(flushes(ground)?);
    Ok(rows)
}

fn flushes(ground: &Ground) -> Result<Row, BenchError> {
    let row = |name: &str, measured| Row::new(name, measured, BOUND, "flushes");
    if process::capture(Command::new("strace").arg("--version")).is_err() {
        return Ok(row("flushes of an effect: not counted, `strace` is missing", f64::NAN));
    }
    let [few, many] = [count(ground, FEW)?, count(ground, MANY)?];
    Ok(row("flushes of an effect", many.saturating_sub(few) as f64 / f64::from(MANY - FEW)))
}

/// The flushes of a run with so many effects.
fn count(ground: &Ground, effects: u32) -> Result<u64, BenchError> {
    let account = ground.empty_folder("effects")?.join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-o"]).arg(&account);
    process::capture(strace.arg(ground.native(PROGRAM).get_program()).arg(effects.to_string()))?;
    let text = read(&account)?;
    flushed(&text).ok_or_else(|| BenchError::Unexpected(format!("strace counted no flushes: {text}")))
}

fn read(path: &Path) -> Result<String, BenchError> {
    std::fs::read_to_string(path).map_err(|source| BenchError::Scratch { path: path.to_owned(), source })
}

/// The calls in an account of `strace -c`; none where it has none.
fn flushed(account: &str) -> Option<u64> {
    let calls = account.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.last(), Some(&"fsync" | &"fdatasync")).then(|| words.get(3)?.parse::<u64>().ok())?
    });
    calls.reduce(|sum, more| sum + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_of_both_kinds_are_added_up() {
        let account = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- ----------------\n \
                       99.10    0.401200         190      2104           fdatasync\n  \
                       0.90    0.003600         360        10         2 fsync\n\
                       ------ ----------- ----------- --------- --------- ----------------\n\
                       100.00    0.404800         191      2114         2 total\n";
        assert_eq!(flushed(account), Some(2_114));
        assert_eq!(flushed("strace: Process 1 detached\n"), None);
    }
}
