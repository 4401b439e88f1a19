//! Figures that only a crate itself can take: its own program measures them and prints one row a line.

use crate::bench::{BenchError, Ground, Row};
use crate::process;

const SANDBOX: &str = "measure_sandbox";
const STORE: &str = "measure_store";
const MEMORY: &str = "measure_memory";
const COMMANDS: &str = "measure_commands";
const PACE: &str = "measure_pace";

/// Runs the sandbox's measuring program.
pub(crate) fn sandbox(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    // Together with the program, so that both use the wasmtime that was built before.
    cargo.args(["build", "--release", "--quiet", "--package", "longhaul-cli", "--package", "longhaul-sandbox"]);
    process::show(cargo.args(["--example", SANDBOX, "--bin", "longhaul-compile", "--bin", "longhaul"]))?;
    rows(SANDBOX, &process::capture(ground.native(SANDBOX).arg("--json"))?)
}

/// Runs the measuring program of commands.
pub(crate) fn commands(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    cargo.args(["build", "--release", "--quiet", "--package", "longhaul-cli", "--package", "longhaul-services"]);
    process::show(cargo.args(["--example", COMMANDS, "--bin", "longhaul"]))?;
    rows(COMMANDS, &process::capture(ground.native(COMMANDS).arg(&ground.longhaul))?)
}

/// Runs the measuring program of the limits of models, in virtual time.
pub(crate) fn pace(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    // As for commands, so that nothing is built twice.
    cargo.args(["build", "--release", "--quiet", "--package", "longhaul-cli", "--package", "longhaul-services"]);
    process::show(cargo.args(["--example", PACE]))?;
    rows(PACE, &process::capture(&mut ground.native(PACE))?)
}

/// Runs the store's measuring program, which tells more than what an entry of the record costs; the rest of it is for
/// those who work on the store.
pub(crate) fn store(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    process::show(cargo.args(["build", "--release", "--quiet", "--package", "longhaul-store", "--example", STORE]))?;
    let rows = rows(STORE, &process::capture(&mut ground.native(STORE))?)?;
    Ok(rows.into_iter().filter_map(cost_of_an_entry).collect())
}

/// Runs the measuring program of the store's memory.
pub(crate) fn memory(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    process::show(cargo.args(["build", "--release", "--quiet", "--package", "longhaul-store", "--example", MEMORY]))?;
    rows(MEMORY, &process::capture(&mut ground.native(MEMORY))?)
}

/// The row where it is about the cost of an entry.
fn cost_of_an_entry(row: Row) -> Option<Row> {
    let is_cost = row.unit == "µs" || row.name.starts_with("entries sustained");
    is_cost.then(|| Row { name: format!("journal: {}", row.name), ..row })
}

/// The rows that a program printed.
pub(super) fn rows(program: &'static str, text: &str) -> Result<Vec<Row>, BenchError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let row = |line: &str| {
        let value = serde_json::from_str(line).ok();
        let row = value.and_then(|value| Row::from_json(&value));
        row.ok_or_else(|| BenchError::NoFigure { program, line: line.to_owned() })
    };
    lines.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_row_and_anything_else_is_refused() {
        let good = "{\"name\":\"fresh instance\",\"measured\":17.2,\"bound\":25,\"unit\":\"µs\"}\n\n";
        assert_eq!(rows(SANDBOX, good).unwrap(), [Row::new("fresh instance", 17.2, 25.0, "µs")]);
        let error = rows(SANDBOX, "warming up\n").unwrap_err().to_string();
        assert!(error.contains("warming up"), "{error}");
    }

    #[test]
    fn what_an_entry_costs_is_told_and_the_rest_of_the_store_is_not() {
        let name = |row: Row| cost_of_an_entry(row).map(|row| row.name);
        let sustained = Row::at_least("entries sustained, one run", 200_000.0, 300_000.0, "1/s");
        assert_eq!(name(sustained).as_deref(), Some("journal: entries sustained, one run"));
        assert_eq!(name(Row::at_least("entries read and understood", 1.0, 1.0, "1/s")), None);
        assert_eq!(name(Row::new("disk, an entry", 300.0, 400.0, "B")), None);
    }
}
