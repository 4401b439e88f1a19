//! The agent `codemod`: search and replace over a code base, by configured rules.
//!
//! `rules` reads and checks the rules, [`rewrite`] applies them to the content of one file, and `run` walks the
//! files, writes those that changed, and reports. A second run over the result changes nothing; rules that would
//! break that are refused unless they say that they do.

mod report;
mod rewrite;
mod rules;
mod run;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Selection, Task};

pub use crate::{
    report::{Change, Report, Skipped},
    rewrite::{Rewrite, rewrite},
    rules::{Config, Rules},
    run::apply,
};

/// The agent.
#[derive(Debug)]
pub struct Codemod;

#[longhaul_sdk::agent]
impl Agent for Codemod {
    type Config = Config;
    type Input = Selection;
    type Output = Report;

    fn run(task: Task<Config, Selection>) -> Result<Report, Failure> {
        let rules = Rules::new(task.config)?;
        apply(Path::new("."), &rules, &task.input)
    }
}
