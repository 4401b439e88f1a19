//! What the operator configures, and what a task asks for.

use longhaul_sdk::Span;
use serde::Deserialize;
use serde_json::Value;
use workbench::Talk;

/// The agent's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Commands that have to succeed before the work counts as done.
    pub verify: Vec<Vec<String>>,
    /// How often the model may mend what they found; three times where nothing is said.
    pub verify_rounds: Option<u32>,
    /// Commands that the model may run, each by the beginning of its arguments.
    pub commands: Vec<Vec<String>>,
    /// The most time that one command may take.
    pub command_timeout: Option<Span>,
    /// What the model has to keep to in this project.
    pub instructions: String,
    /// How to talk to the model.
    pub conversation: Talk,
}

/// The task's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What is to be done.
    pub requirement: String,
    /// How it is meant to be done.
    #[serde(default)]
    pub plan: Value,
    /// Files to begin with.
    #[serde(default)]
    pub files: Vec<String>,
    /// What was found wrong with earlier work.
    #[serde(default)]
    pub feedback: Value,
}
