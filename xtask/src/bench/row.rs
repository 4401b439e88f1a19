//! [`Row`]: what was measured beside its bound, as a table for people and as JSON for programs.

use serde_json::{Value, json};

/// One measured figure; it is good when it does not pass its bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// The figure.
    pub(crate) measured: f64,
    /// The most it may be.
    pub(crate) bound: f64,
    /// The unit of both.
    pub(crate) unit: String,
}

impl Row {
    /// A figure with its bound.
    pub(crate) fn new(name: impl Into<String>, measured: f64, bound: f64, unit: impl Into<String>) -> Row {
        Row { name: name.into(), measured, bound, unit: unit.into() }
    }

    /// Whether the bound is kept. A figure that is not a number keeps none.
    pub(crate) fn ok(&self) -> bool {
        self.measured <= self.bound
    }

    /// Reads a row that another program measured.
    pub(crate) fn from_json(value: &Value) -> Option<Row> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Row::new(text("name")?, value["measured"].as_f64()?, value["bound"].as_f64()?, text("unit")?))
    }
}

/// The rows as a JSON array.
pub(crate) fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| json!({"name": row.name, "measured": row.measured, "bound": row.bound, "unit": row.unit, "ok": row.ok()});
    rows.iter().map(row).collect()
}

/// The rows as a table.
pub(crate) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max("name".len());
    let mut table = format!("{:width$}  {:>10}  {:>10}  {:8}  {}\n", "name", "measured", "bound", "unit", "ok");
    for row in rows {
        let verdict = if row.ok() { "yes" } else { "NO" };
        let (measured, bound) = (row.measured, row.bound);
        table.push_str(&format!("{:width$}  {measured:>10.2}  {bound:>10.2}  {:8}  {verdict}\n", row.name, row.unit));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_over_its_bound_is_marked_in_table_and_json() {
        let rows = [Row::new("start", 17.5, 25.0, "µs"), Row::new("codemod", 3.5, 3.0, "ratio")];
        let table = table(&rows);
        let verdicts: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(verdicts, ["yes", "NO"]);
        assert_eq!(
            json(&rows)[1],
            json!({"name": "codemod", "measured": 3.5, "bound": 3.0, "unit": "ratio", "ok": false})
        );
    }

    #[test]
    fn a_missing_figure_keeps_no_bound_and_is_no_row() {
        assert!(!Row::new("a", f64::NAN, 1.0, "s").ok());
        assert_eq!(Row::from_json(&json!({"name": "a", "measured": "fast", "bound": 1, "unit": "s"})), None);
    }
}
