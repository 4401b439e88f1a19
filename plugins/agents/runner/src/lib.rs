//! The agent `runner`: runs commands and tells which tests failed, and why.
//!
//! `config` says what to run, [`parse`] reads what test programs print or write, `report` gathers it within bounds, and
//! `run` decides whether the task fails.

mod config;
pub mod parse;
mod report;
mod run;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Task};

pub use crate::{
    config::{Config, Form, Input},
    report::{CommandReport, FailedTest, Report},
    run::run,
};

/// The agent.
#[derive(Debug)]
pub struct Runner;

#[longhaul_sdk::agent]
impl Agent for Runner {
    type Config = Config;
    type Input = Input;
    type Output = Report;

    fn run(task: Task<Config, Input>) -> Result<Report, Failure> {
        run(Path::new("."), &task.config, &task.input)
    }
}
