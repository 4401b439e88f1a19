//! The agent `chunk-planner`: splits a code base into chunks of a bounded length, in dependency order where it
//! can tell.
//!
//! ```text
//! files ──► measure ──► imports ──► resolve ──► order ──► chunk ──► plan
//!           lines, cost, cuts       edges       components in order
//! ```
//!
//! Files are read once, a block at a time; what is kept of each is its estimate, its cuts and whom it imports. A file
//! estimated over the length of a chunk is cut into ranges of lines. The cost model is in `config`.

mod chunk;
mod config;
mod imports;
mod measure;
mod order;
mod plan;
mod resolve;

use std::path::Path;

use longhaul_sdk::{Agent, Failure, Selection, Task};

pub use crate::{
    config::{Config, Model},
    plan::{Plan, PlannedChunk, plan},
};

/// The agent.
#[derive(Debug)]
pub struct ChunkPlanner;

#[longhaul_sdk::agent]
impl Agent for ChunkPlanner {
    type Config = Config;
    type Input = Selection;
    type Output = Plan;

    fn run(task: Task<Config, Selection>) -> Result<Plan, Failure> {
        let model = Model::new(task.config)?;
        plan(Path::new("."), &model, &task.input)
    }
}
