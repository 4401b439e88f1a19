//! The agent `reviewer`: checks files by configured rules, and reports findings with file, line and severity.
//!
//! `rules` reads and checks the rules, `check` applies them to one file, `report` keeps the most severe findings
//! within bounds, and `run` walks the files and decides whether the task fails.

mod check;
mod report;
mod rules;
mod run;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Selection, Task};

pub use crate::{
    report::{Counts, Finding, Report, Skipped},
    rules::{Config, Rules, Severity},
    run::review,
};

/// The agent.
#[derive(Debug)]
pub struct Reviewer;

#[longhaul_sdk::agent]
impl Agent for Reviewer {
    type Config = Config;
    type Input = Selection;
    type Output = Report;

    fn run(task: Task<Config, Selection>) -> Result<Report, Failure> {
        let rules = Rules::new(task.config)?;
        let report = review(Path::new("."), &rules, &task.input)?;
        report.judge(&rules)
    }
}
