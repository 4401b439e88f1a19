//! What the operator configures, and what a task asks for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use workbench::Talk;

/// The agent's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who can be given tasks, with what each is good at.
    pub agents: BTreeMap<String, String>,
    /// A folder for designs.
    pub design: Option<String>,
    /// The most tasks of a plan.
    pub max_tasks: usize,
    /// Whether the model looks at the files before it plans.
    pub explore: bool,
    /// What the model has to keep to in this project.
    pub instructions: String,
    /// How to talk to the model.
    pub conversation: Talk,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agents: BTreeMap::new(),
            design: None,
            max_tasks: 20,
            explore: true,
            instructions: String::new(),
            conversation: Talk::default(),
        }
    }
}

/// The task's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// What is to be built; the workflow's objective where nothing is said.
    pub requirement: String,
    /// What goal mode tells its planner.
    pub goal: Value,
    /// Files to begin with.
    pub files: Vec<String>,
}
