//! The agent `architect`: from a requirement and the files to a design and the tasks that lead to it.
//!
//! The model looks at the files by tools, then answers with a [`Plan`], whose form is a JSON Schema and whose sense is checked
//! here. `plan` says what a plan is, `work` has it made and writes the design down.

mod config;
mod plan;
mod work;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Outcome, Task};

pub use crate::{
    config::{Config, Input},
    plan::{Plan, Planned, Step, With},
    work::{Report, State, work},
};

/// The agent.
#[derive(Debug)]
pub struct Architect;

#[longhaul_sdk::agent]
impl Agent for Architect {
    type Config = Config;
    type Input = Input;
    type Output = Outcome<Report, State>;

    fn run(task: Task<Config, Input>) -> Result<Self::Output, Failure> {
        let root = Path::new(".");
        let state = match task.state()? {
            Some(state) => state,
            None => State::begin(root, &task.objective, &task.config, &task.input)?,
        };
        work(root, &task.config, state)
    }
}
