//! [`Row`]: what was measured beside its bound, as a table for people and for the documentation, and as JSON for programs.

use serde_json::{Value, json};

/// One measured figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// The figure.
    pub(crate) measured: f64,
    /// What it has to keep.
    pub(crate) bound: Bound,
    /// The unit of both.
    pub(crate) unit: String,
}

/// What a figure has to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// It may be so much and no more.
    AtMost(f64),
    /// It has to be so much or more.
    AtLeast(f64),
}

impl Row {
    /// A figure that is good when it is low.
    pub(crate) fn new(name: impl Into<String>, measured: f64, bound: f64, unit: impl Into<String>) -> Row {
        Row { name: name.into(), measured, bound: Bound::AtMost(bound), unit: unit.into() }
    }

    /// A figure that is good when it is high.
    pub(crate) fn at_least(name: impl Into<String>, measured: f64, bound: f64, unit: impl Into<String>) -> Row {
        Row { name: name.into(), measured, bound: Bound::AtLeast(bound), unit: unit.into() }
    }

    /// Whether the bound is kept. A figure that is not a number keeps none.
    pub(crate) fn ok(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.measured <= bound,
            Bound::AtLeast(bound) => self.measured >= bound,
        }
    }

    /// Reads a row that another program measured: `name`, `measured`, `bound`, `unit`, and `better`, which is `lower` where it is not given.
    pub(crate) fn from_json(value: &Value) -> Option<Row> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let bound = value["bound"].as_f64()?;
        let bound = match value["better"].as_str() {
            None | Some("lower") => Bound::AtMost(bound),
            Some("higher") => Bound::AtLeast(bound),
            Some(_) => return None,
        };
        Some(Row { name: text("name")?, measured: value["measured"].as_f64()?, bound, unit: text("unit")? })
    }

    fn json(&self) -> Value {
        let (bound, better) = match self.bound {
            Bound::AtMost(bound) => (bound, "lower"),
            Bound::AtLeast(bound) => (bound, "higher"),
        };
        let Row { name, measured, unit, .. } = self;
        json!({"name": name, "measured": measured, "bound": bound, "better": better, "unit": unit, "ok": self.ok()})
    }

    fn cells(&self) -> [String; 4] {
        let bound = match self.bound {
            Bound::AtMost(bound) => format!("≤ {}", figure(bound, &self.unit)),
            Bound::AtLeast(bound) => format!("≥ {}", figure(bound, &self.unit)),
        };
        let verdict = if self.ok() { "met" } else { "**missed**" };
        [self.name.clone(), figure(self.measured, &self.unit), bound, verdict.to_owned()]
    }
}

/// The rows as a JSON array.
pub(crate) fn json(rows: &[Row]) -> Value {
    rows.iter().map(Row::json).collect()
}

/// The rows as a table in Markdown, as it stands in the documentation.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["figure", "measured", "bound", ""].map(str::to_owned);
    let lines: Vec<[String; 4]> = [head].into_iter().chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let [name, measured, bound, verdict] = [0, 1, 2, 3].map(width);
    let line = |[a, b, c, d]: &[String; 4]| format!("| {a:name$} | {b:>measured$} | {c:>bound$} | {d:verdict$} |\n");
    let rule = format!(
        "|{}|{}:|{}:|{}|\n",
        "-".repeat(name + 2),
        "-".repeat(measured + 1),
        "-".repeat(bound + 1),
        "-".repeat(verdict + 2)
    );
    let mut table = String::new();
    for (number, cells) in lines.iter().enumerate() {
        table.push_str(&line(cells));
        if number == 0 {
            table.push_str(&rule);
        }
    }
    table
}

/// A figure in three digits or, from a thousand on, whole in groups of three; with its unit.
fn figure(value: f64, unit: &str) -> String {
    let unit = match unit {
        "" => String::new(),
        "ratio" => " ×".to_owned(),
        unit => format!(" {unit}"),
    };
    if !value.is_finite() {
        return "none".to_owned();
    }
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{unit}", in_groups(whole))
}

/// Digits in groups of three from a thousand on.
fn in_groups(digits: &str) -> String {
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0
            && (digits.len() - place).is_multiple_of(3)
            && digits.starts_with(|first: char| first.is_ascii_digit())
        {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_misses_its_bound_is_marked_in_table_and_json() {
        let rows = [
            Row::new("start", 17.5, 25.0, "µs"),
            Row::new("codemod", 3.5, 3.0, "ratio"),
            Row::at_least("messages", 19_999.6, 20_000.0, "1/s"),
        ];
        let table = table(&rows);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[2][1..5], ["start", "17.5 µs", "≤ 25 µs", "met"]);
        assert_eq!(lines[3][1..5], ["codemod", "3.5 ×", "≤ 3 ×", "**missed**"]);
        assert_eq!(lines[4][1..5], ["messages", "20 000 1/s", "≥ 20 000 1/s", "**missed**"]);
        assert_eq!(
            json(&rows)[1],
            json!({"name": "codemod", "measured": 3.5, "bound": 3.0, "better": "lower", "unit": "ratio", "ok": false})
        );
        assert_eq!(Row::from_json(&json(&rows)[2]).unwrap(), rows[2]);
    }

    #[test]
    fn a_missing_figure_keeps_no_bound_and_is_no_row() {
        assert!(!Row::new("a", f64::NAN, 1.0, "s").ok());
        assert!(!Row::at_least("a", f64::NAN, 1.0, "s").ok());
        assert_eq!(Row::from_json(&json!({"name": "a", "measured": "fast", "bound": 1, "unit": "s"})), None);
        assert_eq!(
            Row::from_json(&json!({"name": "a", "measured": 1, "bound": 1, "unit": "s", "better": "green"})),
            None
        );
    }

    #[test]
    fn figures_have_three_digits_or_all_that_are_whole() {
        let shown =
            [0.0, 0.2451, 1.03, 2.5, 31.04, 333.3, 2_345_678.9, 1_000.0, f64::NAN].map(|value| figure(value, ""));
        assert_eq!(shown, ["0", "0.245", "1.03", "2.5", "31", "333", "2 345 679", "1 000", "none"]);
    }
}
