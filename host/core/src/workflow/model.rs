//! A workflow as the host uses it: checked, complete, with every default filled in.
//!
//! Nothing here can be half right: a [`Workflow`] is only made by [`parse`](super::parse), so its names resolve, its
//! graph has no cycle, its expressions parse and mention only what is there, and each task carries the limits and
//! permissions that really hold for it.

pub use crate::entry::Budget;
pub use crate::units::Money;

pub use super::attach::AttachSpec;
use super::expr::{EvaluationError, Expression, Scope, Template};
use crate::agents::Agents;
use crate::approvals::Approvals;
use crate::attempt::Limits;
use crate::grant::Permissions;
use crate::hook::HookSpec;
use crate::id::Name;
use crate::path::StagePath;
use crate::units::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// The version of the workflow format that this host reads.
pub const VERSION: u64 = 1;

/// A definition: objective, tasks, agents, permissions, recovery, budget.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// What it is called.
    pub name: Name,
    /// What a run of it is for; may hold expressions over `inputs`.
    pub objective: Template,
    /// The Markdown body of a `WORKFLOW.md`; empty for other files.
    pub prompt: String,
    /// What a run can be given, by name.
    pub inputs: BTreeMap<String, InputSpec>,
    /// What a run may use up.
    pub budget: Budget,
    /// How many tasks run at a time.
    pub concurrency: Concurrency,
    /// When restore points are made and how many are kept.
    pub checkpoints: Checkpoints,
    /// Where the files are.
    pub workspace: WorkspaceSpec,
    /// The agents, by name.
    pub agents: BTreeMap<Name, AgentSpec>,
    /// Models that are answered from files, by name.
    pub models: BTreeMap<String, ModelSpec>,
    /// The strategies that `recovery` and the tasks name, by name.
    pub strategies: BTreeMap<Name, StrategySpec>,
    /// The tasks in the order of the file.
    pub tasks: IndexMap<Name, TaskSpec>,
    /// What is called when something happens, by name.
    pub hooks: BTreeMap<Name, HookSpec>,
    /// Commands that say whether work is right, by name. No agent has the name of one.
    pub checks: BTreeMap<Name, CheckSpec>,
    /// What hooks may do: the workflow's permissions, without those of its tasks.
    pub permissions: Permissions,
    /// What a person has to approve each time.
    pub approvals: Approvals,
    /// What has to hold at the end for the objective to count as met.
    pub done_when: Option<Expression>,
}

/// An input of a workflow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputSpec {
    /// The value where a run gives none; an input without one has to be given.
    pub default: Option<Value>,
    /// What it is for.
    pub description: String,
}

impl InputSpec {
    /// The value that a text on the command line stands for: the text itself where the default is a text, otherwise what
    /// it says as JSON. Where no default tells what is meant, a number that would be shown otherwise, as the version
    /// `2.10` would be, stays a text; and what is no JSON is a text in any case.
    pub fn read(&self, text: &str) -> Value {
        let as_text = || Value::String(text.to_owned());
        match &self.default {
            Some(Value::String(_)) => as_text(),
            None | Some(Value::Null) => match serde_json::from_str(text) {
                Ok(Value::Number(number)) if number.to_string() != text => as_text(),
                read => read.unwrap_or_else(|_| as_text()),
            },
            Some(_) => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        }
    }
}

/// The most tasks that a workflow may run at a time: the host keeps a place ready for each of them.
pub const MAX_CONCURRENCY: u32 = 256;

/// How many tasks run at a time. An agent can have a bound of its own, see [`AgentSpec::max`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// In the whole run.
    pub max: u32,
    /// By all agents that work with the same model, by its name.
    pub models: BTreeMap<String, u32>,
}

impl Default for Concurrency {
    /// 3 tasks.
    fn default() -> Self {
        Self { max: 3, models: BTreeMap::new() }
    }
}

/// When restore points are made, and what they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoints {
    /// The time between two of them.
    pub every: Duration,
    /// How many of the newest are kept.
    pub keep: u32,
    /// The disk space of all of them.
    pub max_disk: Bytes,
}

impl Default for Checkpoints {
    /// Every 15 minutes, the newest 3, 300 MB.
    fn default() -> Self {
        Self { every: Duration::from_secs(900), keep: 3, max_disk: Bytes(300_000_000) }
    }
}

impl Checkpoints {
    /// The profile for work that is dear to repeat: every 10 minutes, the rest as usual.
    pub fn production() -> Self {
        Self { every: Duration::from_secs(600), ..Self::default() }
    }

    /// The profile for work that is tried out: every 30 minutes, the rest as usual.
    pub fn development() -> Self {
        Self { every: Duration::from_secs(1800), ..Self::default() }
    }
}

/// Where the files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceSpec {
    /// The workspace's root, relative to the workflow file's folder. None means what the operator says, or
    /// else the current folder.
    pub root: Option<String>,
    /// Folders with derived files: not versioned, kept warm from stage to stage.
    pub caches: Vec<StagePath>,
    /// What else is not versioned, beside what `.gitignore` files name, in their language. The workspace checks it.
    pub ignore: Vec<String>,
}

/// Which plugin is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginRef {
    /// A bundled or installed one, by name.
    Named(Name),
    /// A component file, relative to the workflow file's folder.
    File(String),
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PluginRef::Named(name) => name.fmt(f),
            PluginRef::File(path) => f.write_str(path),
        }
    }
}

/// An agent: a plugin with its configuration.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    /// The plugin.
    pub plugin: PluginRef,
    /// Its configuration, a JSON object; may hold expressions over `inputs`.
    pub config: Template,
    /// How many tasks it works on at a time; none means as many as the run may have.
    pub max: Option<u32>,
    /// The model that it works with: agents with the same one share that model's limit.
    pub model: Option<String>,
    /// What it is able to do.
    pub skills: BTreeSet<Name>,
}

/// A model that is answered from a file, named relative to the workflow file's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSpec {
    /// A script.
    Script(String),
    /// A record of an earlier run.
    Replay(String),
}

impl ModelSpec {
    /// The file.
    pub fn file(&self) -> &str {
        match self {
            ModelSpec::Script(file) | ModelSpec::Replay(file) => file,
        }
    }

    /// The field of the workflow file that names it.
    pub fn field(&self) -> &'static str {
        match self {
            ModelSpec::Script(_) => "script",
            ModelSpec::Replay(_) => "replay",
        }
    }
}

/// A recovery strategy: a plugin with its configuration.
#[derive(Debug, Clone)]
pub struct StrategySpec {
    /// The plugin.
    pub plugin: PluginRef,
    /// Its configuration, a JSON object; may hold expressions over `inputs`.
    pub config: Template,
}

/// A command that accepts work by ending with 0. What it changes is thrown away.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSpec {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The folder that it starts in.
    pub cwd: StagePath,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Its wall time.
    pub timeout: Duration,
    /// What it may do: what the workflow gives, without writing.
    pub permissions: Permissions,
}

/// A task.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// Who may work on it; keys of [`Workflow::agents`].
    pub agents: Agents,
    /// Tasks that have to end well first; keys of [`Workflow::tasks`].
    pub needs: Vec<Name>,
    /// A list: the task is done once for each of its elements, as `item` with its `index`.
    pub for_each: Option<Template>,
    /// What has to hold for the task to be done at all; otherwise it is skipped. Written as `if`.
    pub condition: Option<Expression>,
    /// Its input, a JSON object with expressions inside.
    pub with: Template,
    /// What its agent is given beside that.
    pub attach: Vec<AttachSpec>,
    /// What it may do: the workflow's permissions with each field that the task sets replaced by the task's.
    pub permissions: Permissions,
    /// What bounds one attempt: the defaults, the workflow's, the agent's, the task's, each over the one before.
    pub limits: Limits,
    /// When it has to be done: so long after the run began, in the time that the run is under way.
    pub deadline: Option<Duration>,
    /// Higher goes first; 0 is usual.
    pub priority: i32,
    /// The most attempts.
    pub attempts: u32,
    /// Whether it takes the output of a task that did the same, and gives its own to such.
    pub reuse: bool,
    /// Whether this task's success is what a rollback is validated by.
    pub verify: bool,
    /// The strategies to ask when an attempt fails, in turn; keys of [`Workflow::strategies`].
    pub recovery: Vec<Name>,
    /// What takes back what it did outside its files.
    pub compensate: Option<CompensationSpec>,
    /// How it is planned anew in smaller pieces.
    pub split: Option<SplitSpec>,
}

/// What takes back what a task did outside its files.
#[derive(Debug, Clone)]
pub struct CompensationSpec {
    /// Who does it; a key of [`Workflow::agents`].
    pub agent: Name,
    /// Its input, a JSON object with expressions inside, to which `failed` is added.
    pub with: Template,
}

/// How a task is planned anew in smaller pieces.
#[derive(Debug, Clone)]
pub struct SplitSpec {
    /// Who plans the pieces; a key of [`Workflow::agents`].
    pub agent: Name,
    /// Its input, a JSON object with expressions inside; none for the task's own.
    pub with: Option<Template>,
    /// The field of its output that lists the pieces.
    pub pieces: String,
    /// The field of the task's input that a piece replaces; none where a piece is an object whose fields do.
    pub field: Option<String>,
}

impl TaskSpec {
    /// Who may work on the task beside its agent: those that compensate and split it.
    pub fn helpers(&self) -> impl Iterator<Item = &Name> {
        let compensates = self.compensate.as_ref().map(|spec| &spec.agent);
        compensates.into_iter().chain(self.split.as_ref().map(|spec| &spec.agent))
    }
}

/// The most elements of a `for_each`.
pub const MAX_ELEMENTS: usize = 100_000;

impl TaskSpec {
    /// The elements that the task is done for; none where it has no `for_each` and is done once.
    ///
    /// # Errors
    /// [`EvaluationError`] where the expression has no value, or one that is not a list of at most [`MAX_ELEMENTS`].
    pub fn elements(&self, scope: &Scope<'_>) -> Result<Option<Vec<Value>>, EvaluationError> {
        let Some(template) = &self.for_each else { return Ok(None) };
        let reason = match template.evaluate(scope)? {
            Value::Array(list) if list.len() <= MAX_ELEMENTS => return Ok(Some(list)),
            Value::Array(list) => format!("`for_each` has {} elements, more than {MAX_ELEMENTS}", list.len()),
            other => format!("`for_each` takes a list, and this is {}", super::path::kind(&other)),
        };
        let source_text = template.as_expression().map_or_else(|| "for_each".into(), |e| e.source().into());
        Err(EvaluationError { source_text, reason })
    }
}

/// The strategies of a workflow that names none.
pub const DEFAULT_RECOVERY: [&str; 3] = ["retry-jitter", "rollback-validate", "escalate"];

/// The most attempts of a task of a workflow that says nothing about it.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// Inputs that do not fit a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// One is given that the workflow does not have.
    #[error("the workflow has no input `{name}`; {known}")]
    Unknown {
        /// Its name.
        name: String,
        /// Which ones there are, in words.
        known: String,
    },
    /// One without a default is not given.
    #[error("the input `{name}` has no default; give it, as in `--input {name}=VALUE`")]
    Missing {
        /// Its name.
        name: String,
    },
}

impl Workflow {
    /// The inputs of a run: those given, and the defaults of all others.
    ///
    /// # Errors
    /// [`InputError`] where one is unknown or missing.
    pub fn inputs(&self, mut given: BTreeMap<String, Value>) -> Result<serde_json::Map<String, Value>, InputError> {
        if let Some(name) = given.keys().find(|name| !self.inputs.contains_key(*name)) {
            let known = super::near::known("inputs", self.inputs.keys());
            return Err(InputError::Unknown { name: name.clone(), known });
        }
        let mut inputs = serde_json::Map::new();
        for (name, spec) in &self.inputs {
            let value = given.remove(name).or_else(|| spec.default.clone());
            inputs.insert(name.clone(), value.ok_or_else(|| InputError::Missing { name: name.clone() })?);
        }
        Ok(inputs)
    }
}
