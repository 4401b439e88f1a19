//! Simulated nights: runs of many hours under faults, in virtual time, and the table that says what they came to.

use serde_json::Value;

use crate::house::House;
use crate::process::{self, ProcessError};

/// The simulation's measuring program.
pub(crate) const PROGRAM: &str = "simulate";

/// The head of the table; a cell for each.
const HEAD: [&str; 13] = [
    "tasks, files",
    "runs",
    "completed",
    "alone",
    "after a person",
    "lost",
    "hours: undisturbed, median, longest",
    "peak memory",
    "against the first hour's",
    "peak state folder",
    "incidents",
    "deaths, full disks, pauses",
    "work done again",
];

/// What the runs over one size of project came to, as the simulation tells it.
#[derive(Debug, Clone)]
pub(crate) struct Nights(Value);

impl Nights {
    /// Builds the simulation, optimised.
    pub(crate) fn build(house: &House) -> Result<(), ProcessError> {
        let mut cargo = house.cargo();
        cargo.args(["build", "--release", "--quiet", "--package", "longhaul-simulation", "--example", PROGRAM]);
        process::show(&mut cargo)
    }

    /// Reads a line that the simulation printed.
    pub(crate) fn read(line: &str) -> Option<Nights> {
        let nights = Nights(serde_json::from_str(line).ok()?);
        nights.runs().is_finite().then_some(nights)
    }

    /// A figure by its name; not a number where the simulation does not tell it.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }

    /// Percent of the runs that completed with the result of an undisturbed one: alone, or after a person had answered.
    pub(crate) fn completed(&self) -> f64 {
        (self.runs() - self.figure("lost")) / self.runs() * 100.0
    }

    fn runs(&self) -> f64 {
        self.figure("runs")
    }

    fn cells(&self) -> [String; 13] {
        let figure = |name| self.figure(name);
        let percent = |count: f64| format!("{:.0} %", count / self.runs() * 100.0);
        let hours = ["undisturbed_hours", "median_hours", "max_hours"].map(|name| format!("{:.1}", figure(name)));
        let faults = ["crashes", "full_disks", "pauses"].map(|name| figure(name).to_string());
        [
            format!("{}, {}", figure("tasks"), figure("files")),
            figure("runs").to_string(),
            format!("{:.0} %", self.completed()),
            percent(figure("completed")),
            percent(figure("escalated") + figure("more_time")),
            figure("lost").to_string(),
            hours.join(", "),
            format!("{:.1} MB", figure("memory_mb")),
            format!("{:.2} ×", figure("memory_growth")),
            format!("{:.1} MB", figure("disk_mb")),
            figure("incidents").to_string(),
            faults.join(", "),
            format!("{:.0} %", figure("again_percent")),
        ]
    }
}

/// A table in Markdown with a row for each size.
pub(crate) fn table(all: &[Nights]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(HEAD.len()));
    let rows: String = all.iter().map(|nights| line(&nights.cells())).collect();
    line(&HEAD.map(str::to_owned)) + &rule + &rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_what_runs_came_to_and_a_line_without_runs_is_none() {
        let line = r#"{"files":100,"runs":40,"completed":36,"escalated":3,"more_time":0,"lost":1,"tasks":28,"undisturbed_hours":6.06,
            "median_hours":6.4,"max_hours":7.44,"incidents":198,"crashes":223,"full_disks":24,"pauses":23,"memory_mb":17.2,
            "memory_growth":1.04,"disk_mb":8.4,"again_percent":9.2}"#;
        let nights = Nights::read(line).unwrap();
        assert_eq!(nights.completed(), 97.5);
        let row = "| 28, 100 | 40 | 98 % | 90 % | 8 % | 1 | 6.1, 6.4, 7.4 | 17.2 MB | 1.04 × | 8.4 MB | 198 | 223, 24, 23 | 9 % |";
        assert_eq!(table(&[nights]).lines().nth(2), Some(row));
        assert!(Nights::read(r#"{"files":100}"#).is_none());
    }
}
