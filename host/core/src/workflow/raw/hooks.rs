//! What a workflow file says about hooks.

use super::parts::Names;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// A hook: what is called, and when. Either `run` or `post`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hook")]
pub(in crate::workflow) struct RawHook {
    /// What it is told of: one event or a list, as in `[run-completed, task-failed, incident, checkpoint]`.
    pub on: Names,
    /// A command, as an argument vector; what happened is on its standard input, a JSON object. `permissions.exec` has to cover it.
    pub run: Option<Vec<String>>,
    /// A web address to which what happened is posted, a JSON object. `permissions.http` has to cover it.
    pub post: Option<String>,
    /// Header lines for `post`; a value may name a secret, as in `Bearer ${secret:TOKEN}`.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// How often a call is tried, 1 to 20; 3 where nothing is said.
    pub attempts: Option<u32>,
    /// The wall time of one try, as in `30s`, which is the default.
    pub timeout: Option<String>,
}
