//! The agent `coder`: has a model change code until a requirement is met.
//!
//! ```text
//!   read, search, edit, run ──► finish ──► verify ── passed ──► output
//!            ▲                               │
//!            └──────── what it printed ◄─────┘ failed, a few times
//! ```
//!
//! The model works by tools; the host decides what they may touch. `config` says what the operator allows, `work` is the
//! loop around the model, with its state for the next instance.

mod config;
mod work;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Outcome, Task};

pub use crate::{
    config::{Config, Input},
    work::{Report, State, work},
};

/// The agent.
#[derive(Debug)]
pub struct Coder;

#[longhaul_sdk::agent]
impl Agent for Coder {
    type Config = Config;
    type Input = Input;
    type Output = Outcome<Report, State>;

    fn run(task: Task<Config, Input>) -> Result<Self::Output, Failure> {
        let state = match task.state()? {
            Some(state) => state,
            None => State::begin(Path::new("."), &task.objective, &task.config, &task.input)?,
        };
        work(&task.config, state)
    }
}
