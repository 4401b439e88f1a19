//! The agent `pursue`: goal mode. It does nothing itself; it has others plan and work until a check says that the objective is met.
//!
//! ```text
//!   check ── met ──────────────────────────────────► done
//!     └─ not yet ─► plan ─► the planned tasks ─► check ─► … one round after the other
//! ```
//!
//! All of them are child tasks, so each round sees the work of those before, and each waits without an instance. Between two rounds the agent goes
//! on as new: its history stays short however long it takes.

mod config;
mod plan;
mod round;
mod team;

use longhaul_sdk::{Agent, Empty, Failure, Outcome, Task};

pub use crate::{
    config::Config,
    plan::{Planned, planned},
    round::{Met, Progress, Situation, pursue},
    team::{Ended, Request, Team},
};

/// The agent.
#[derive(Debug)]
pub struct Pursue;

#[longhaul_sdk::agent]
impl Agent for Pursue {
    type Config = Config;
    type Input = Empty;
    type Output = Outcome<Met, Progress>;

    fn run(task: Task<Config, Empty>) -> Result<Self::Output, Failure> {
        let progress = task.state()?.unwrap_or_default();
        let situation = Situation { objective: &task.objective, attempt: task.attempt, config: &task.config };
        pursue(&situation, progress, &mut team::Host)
    }
}
