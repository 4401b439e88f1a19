//! What a workflow file says, before anything is checked.
//!
//! These types are the file format: the parser reads them and the JSON Schema for editors is made of them, so the two
//! cannot disagree. The documentation of a field is what an editor shows for it; what a value means is decided in
//! [`check`](super::check).

mod attach;
mod checks;
mod hooks;
mod parts;

pub(super) use attach::RawAttachment;
pub(super) use checks::RawCheck;
pub(super) use hooks::RawHook;
use indexmap::IndexMap;
pub(super) use parts::{Names, Quantity, RawLimits, RawPermissions};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A Longhaul workflow: an objective, the agents that pursue it, and the tasks that they do.
///
/// Texts may hold expressions, as in `${{ tasks.plan.chunks }}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Longhaul workflow", rename = "Workflow")]
pub(super) struct RawWorkflow {
    /// The version of the file format: 1.
    pub version: u64,
    /// The workflow's name: letters, digits, `_` and `-`.
    pub name: String,
    /// What a run is for, in a sentence. Every agent is told.
    pub objective: Option<String>,
    /// What a run can be given, by name; used as `inputs.NAME`.
    #[serde(default)]
    pub inputs: IndexMap<String, Option<RawInput>>,
    /// What holds for all tasks that do not say otherwise.
    pub defaults: Option<RawDefaults>,
    /// What a run may use up. It stops cleanly when a part is used up, and can be resumed after raising it.
    pub budget: Option<RawBudget>,
    /// How many tasks run at a time.
    pub concurrency: Option<RawConcurrency>,
    /// When restore points are made, and how many are kept.
    pub checkpoints: Option<RawCheckpoints>,
    /// Where the files are.
    pub workspace: Option<RawWorkspace>,
    /// The agents by name, each a plugin with its configuration.
    #[serde(default)]
    pub agents: IndexMap<String, RawAgent>,
    /// Recovery strategies by name, each a plugin with its configuration. Only needed for those with a configuration.
    #[serde(default)]
    pub strategies: IndexMap<String, RawStrategy>,
    /// Models of the workflow's own, by name: answered from a file. All others are those of the host's configuration.
    #[serde(default)]
    pub models: IndexMap<String, RawModel>,
    /// What tasks may do. What is not mentioned is denied.
    pub permissions: Option<RawPermissions>,
    /// What a person has to approve each time before it is done, though it is granted.
    pub approvals: Option<RawApprovals>,
    /// The strategies to ask when a task fails, in turn. Usually retry-jitter, rollback-validate, escalate.
    pub recovery: Option<Vec<String>>,
    /// Commands that say whether work is right, by name: a rollback can be validated by one.
    #[serde(default)]
    pub checks: IndexMap<String, RawCheck>,
    /// What is called when something happens, by name: a command or a web address.
    #[serde(default)]
    pub hooks: IndexMap<String, RawHook>,
    /// The tasks by name.
    pub tasks: IndexMap<String, Option<RawTask>>,
    /// An expression that has to hold at the end for the objective to count as met.
    pub done_when: Option<String>,
}

/// What agents may do at most, whatever a workflow gives them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    /// The version of the file format: 1.
    pub version: u64,
    /// What is allowed. What is not mentioned is denied.
    pub permissions: RawPermissions,
}

/// An input.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Input")]
pub(super) struct RawInput {
    /// The value where a run gives none. Without it, every run has to give one.
    pub default: Option<Value>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What holds for all tasks that do not say otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Defaults")]
pub(super) struct RawDefaults {
    /// The agent, or a list of agents of which any may do a task.
    pub agent: Option<Names>,
    /// The wall time of one attempt, as in `30m`.
    pub timeout: Option<String>,
    /// How often a task is tried.
    pub retry: Option<RawRetry>,
    /// Whether a task takes the output of one that did the same; yes where nothing is said.
    pub reuse: Option<bool>,
    /// What a task is given beside its input.
    #[serde(default)]
    pub attach: Vec<RawAttachment>,
    /// What bounds one attempt.
    pub limits: Option<RawLimits>,
}

/// How often a task is tried.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retry")]
pub(super) struct RawRetry {
    /// The most attempts, 1 to 100; 3 where nothing is said.
    pub attempts: u32,
}

/// What a run may use up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Budget")]
pub(super) struct RawBudget {
    /// Wall time, as in `7h30m`, which is the default.
    pub wall_time: Option<String>,
    /// Tokens of language models, read and written, as in `2_000_000`.
    pub tokens: Option<Quantity>,
    /// What models may cost, as in `12.50`, in the currency of the operator's price list.
    pub money: Option<Quantity>,
    /// Computing of all attempts, as in `50G`.
    pub fuel: Option<Quantity>,
    /// Disk space of the run's state, as in `2GB`.
    pub disk: Option<Quantity>,
}

/// How many tasks run at a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Concurrency")]
pub(super) struct RawConcurrency {
    /// In the whole run; 3 where nothing is said.
    pub max: Option<u32>,
    /// By all agents that work with the same model, by its name.
    #[serde(default)]
    pub models: IndexMap<String, u32>,
}

/// When restore points are made, and how many are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Checkpoints")]
pub(super) struct RawCheckpoints {
    /// How dear the work is to repeat: `production` is `every: 10m`, `development` is `every: 30m`.
    #[schemars(extend("enum" = ["production", "development"]))]
    pub profile: Option<String>,
    /// The time between two of them, as in `15m`, which is the default; goes before that of the profile.
    pub every: Option<String>,
    /// How many of the newest are kept; 3 where nothing is said.
    pub keep: Option<u32>,
    /// The disk space of all of them, as in `300MB`, which is the default.
    pub max_disk: Option<Quantity>,
}

/// Where the files are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Workspace")]
pub(super) struct RawWorkspace {
    /// The root, relative to this file; `--workspace` on the command line goes first.
    pub root: Option<String>,
    /// Folders with derived files, as `target`: not versioned, and kept warm from task to task.
    #[serde(default)]
    pub caches: Vec<String>,
    /// File patterns that are not versioned, beside those of `.gitignore`.
    #[serde(default)]
    pub ignore: Vec<String>,
}

/// What a person has to approve before it is done.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Approvals")]
pub(super) struct RawApprovals {
    /// Commands, each by its program and arguments that it has in this order, whatever stands between them: `[git, push]`.
    #[serde(default)]
    pub exec: Vec<Vec<String>>,
    /// Requests, each by its address, `*` for any characters, with a method before it where it is for that alone: `POST https://api.example.com/*`.
    #[serde(default)]
    pub http: Vec<String>,
}

/// An agent: a plugin with its configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Agent")]
pub(super) struct RawAgent {
    /// A bundled or installed plugin by name, or a component file as in `./my-agent.wasm`, relative to this file.
    pub plugin: String,
    /// The plugin's configuration, see `longhaul plugin inspect`.
    pub config: Option<Value>,
    /// What bounds one attempt of this agent.
    pub limits: Option<RawLimits>,
    /// How many tasks it works on at a time.
    pub max: Option<u32>,
    /// The model that it works with: agents with the same one share `concurrency.models`.
    pub model: Option<String>,
    /// What it is able to do, in words of your own: an agent that asks for a task by skills is given one that has all of them.
    #[serde(default)]
    pub skills: Vec<String>,
}

/// A model that is answered from a file. The run keeps what the file says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model")]
pub(super) struct RawModel {
    /// A script: what to answer to what, as in `model.yaml`, relative to this file.
    pub script: Option<String>,
    /// A record of an earlier run, as `longhaul logs --json` writes it, relative to this file: the same questions get the same answers.
    pub replay: Option<String>,
}

/// A recovery strategy: a plugin with its configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Strategy")]
pub(super) struct RawStrategy {
    /// A bundled or installed plugin by name, or a component file, relative to this file.
    pub plugin: String,
    /// The plugin's configuration, see `longhaul plugin inspect`.
    pub config: Option<Value>,
}

/// A task.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Task")]
pub(super) struct RawTask {
    /// Who works on it, or a list of which anyone may; the default agent where nothing is said.
    pub agent: Option<Names>,
    /// The tasks that have to end well first: one name or a list.
    #[serde(default)]
    pub needs: Names,
    /// A list or an expression for one: the task is done once for each element, as `item` with its `index`.
    pub for_each: Option<Value>,
    /// An expression: where it does not hold, the task is skipped. Seen once, before `for_each`.
    #[serde(rename = "if")]
    pub condition: Option<String>,
    /// What the agent is given: an object, with expressions inside.
    #[serde(rename = "with")]
    pub input: Option<Value>,
    /// What the agent is given beside that: files, pictures, the output of commands, the repository's state. Captured when the task first starts.
    pub attach: Option<Vec<RawAttachment>>,
    /// What the task may do. A field given here replaces that of the workflow.
    pub permissions: Option<RawPermissions>,
    /// The wall time of one attempt, as in `30m`.
    pub timeout: Option<String>,
    /// When it has to be done, as in `2h`: so long after the run began, without the time that the run was paused.
    pub deadline: Option<String>,
    /// Higher goes first; 0 where nothing is said.
    #[serde(default)]
    pub priority: i32,
    /// How often it is tried.
    pub retry: Option<RawRetry>,
    /// Whether it takes the output of a task that did the same; yes where nothing is said.
    pub reuse: Option<bool>,
    /// Whether this task tells if the work is right, as tests do; a rollback is validated by it.
    #[serde(default)]
    pub verify: bool,
    /// The strategies to ask when it fails, in turn.
    pub recovery: Option<Vec<String>>,
    /// What takes back what the task did outside its files, when a strategy decides to compensate.
    pub compensate: Option<RawCompensation>,
    /// How the task is planned anew in smaller pieces, when a strategy decides to split it.
    pub split: Option<RawSplit>,
    /// What bounds one attempt.
    pub limits: Option<RawLimits>,
}

/// What takes back what a task did outside its files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Compensation")]
pub(super) struct RawCompensation {
    /// The agent that does it.
    pub agent: String,
    /// What it is given, with expressions inside; beside that it is given `failed`: the task, its input, the incident.
    #[serde(rename = "with")]
    pub input: Option<Value>,
}

/// How a task is planned anew in smaller pieces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Split")]
pub(super) struct RawSplit {
    /// The agent that plans the pieces.
    pub agent: String,
    /// What it is given, with expressions inside; the task's own input where nothing is said.
    #[serde(rename = "with")]
    pub input: Option<Value>,
    /// The field of its output that lists the pieces; `pieces` where nothing is said.
    pub pieces: Option<String>,
    /// The field of the task's input that a piece replaces. Where nothing is said a piece is an object, and each of its fields
    /// replaces that of the input.
    #[serde(rename = "as")]
    pub field: Option<String>,
}
