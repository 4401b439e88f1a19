//! The agent `reviewer`: checks files by configured rules, and reports findings with file, line and severity.
//!
//! `rules` reads and checks the rules, `check` applies them to one file, `report` keeps the most severe findings
//! within bounds, `model` asks a model for what rules cannot see, and `run` walks the files and decides whether the task fails.

mod check;
mod model;
mod report;
mod rules;
mod run;

use std::path::Path;

use longhaul_sdk::{Agent, Chunk, Failure, Part, Selection, Task, files::Globs};
use serde::Deserialize;
use serde_json::Value;

pub use crate::{
    model::ModelReview,
    report::{Counts, Finding, Report, Skipped},
    rules::{Config, Rules, Severity},
    run::review,
};

/// The agent.
#[derive(Debug)]
pub struct Reviewer;

/// The task's input: the files to check. As a validator the agent is given `task` and `output`, and looks at the files alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    #[serde(default)]
    chunk: Option<Chunk>,
    #[serde(default)]
    files: Option<Vec<Part>>,
    #[serde(default, alias = "globs")]
    glob: Option<Globs>,
    #[serde(default, rename = "task")]
    _task: Value,
    #[serde(default, rename = "output")]
    _output: Value,
}

#[longhaul_sdk::agent]
impl Agent for Reviewer {
    type Config = Config;
    type Input = Input;
    type Output = Report;

    fn run(task: Task<Config, Input>) -> Result<Report, Failure> {
        let rules = Rules::new(task.config)?;
        let Input { chunk, files, glob, .. } = task.input;
        let report = review(Path::new("."), &rules, &Selection { chunk, files, glob })?;
        report.judge(&rules)
    }
}
