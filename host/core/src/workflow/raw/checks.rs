//! What a workflow file says about checks.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// A check: a command that accepts work by ending with 0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Check")]
pub(in crate::workflow) struct RawCheck {
    /// The command, as an argument vector. `permissions.exec` has to cover it. What it changes is thrown away.
    pub run: Vec<String>,
    /// The folder that it starts in, relative to the workspace's root.
    pub cwd: Option<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// Its wall time, as in `10m`, which is the default.
    pub timeout: Option<String>,
}
