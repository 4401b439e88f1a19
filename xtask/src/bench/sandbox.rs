//! Figures that only the sandbox itself can take: its own program measures them and prints one row a line.

use crate::bench::{BenchError, Ground, Row};
use crate::process;

const PROGRAM: &str = "measure_sandbox";

/// Runs the sandbox's measuring program.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let mut cargo = ground.house.host_cargo();
    // Together with the program, so that both use the wasmtime that was built before.
    cargo.args(["build", "--release", "--quiet", "--package", "longhaul-cli", "--package", "longhaul-sandbox"]);
    process::show(cargo.args(["--example", PROGRAM, "--bin", "longhaul-compile", "--bin", "longhaul"]))?;
    rows(&process::capture(ground.native(PROGRAM).arg("--json"))?)
}

fn rows(text: &str) -> Result<Vec<Row>, BenchError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let row = |line: &str| {
        let value = serde_json::from_str(line).ok();
        let row = value.and_then(|value| Row::from_json(&value));
        row.ok_or_else(|| BenchError::NoFigure { program: PROGRAM, line: line.to_owned() })
    };
    lines.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_row_and_anything_else_is_refused() {
        let good = "{\"name\":\"fresh instance\",\"measured\":17.2,\"bound\":25,\"unit\":\"µs\"}\n\n";
        assert_eq!(rows(good).unwrap(), [Row::new("fresh instance", 17.2, 25.0, "µs")]);
        let error = rows("warming up\n").unwrap_err().to_string();
        assert!(error.contains("warming up"), "{error}");
    }
}
