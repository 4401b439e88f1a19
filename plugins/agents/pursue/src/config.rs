//! What the operator configures.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The agent's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Plans each round.
    pub planner: String,
    /// Says whether the objective is met.
    pub check: String,
    /// Does planned tasks that name no agent.
    pub worker: Option<String>,
    /// The most rounds.
    #[serde(default = "fifty")]
    pub rounds: u32,
    /// The field of the check's output that has to be true; none where its completion is enough.
    pub met: Option<String>,
    /// The field of the planner's output that lists the tasks.
    #[serde(default = "tasks")]
    pub tasks: String,
    /// The most tasks of one round.
    #[serde(default = "hundred")]
    pub max_tasks: usize,
    /// What the planner is given beside `goal`.
    #[serde(default)]
    pub plan_with: Map<String, Value>,
    /// What the check is given.
    #[serde(default)]
    pub check_with: Map<String, Value>,
}

fn fifty() -> u32 {
    50
}

fn hundred() -> usize {
    100
}

fn tasks() -> String {
    "tasks".to_owned()
}
