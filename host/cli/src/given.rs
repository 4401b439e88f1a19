//! What a run is given: the workflow, the operator's policy and the inputs, read and checked before anything is touched.

use crate::failure::{Exit, Failure};
use longhaul_core::grant::Permissions;
use longhaul_core::units::Timestamp;
use longhaul_core::web::WebPattern;
use longhaul_core::workflow::error::{WorkflowError, WorkflowErrors};
use longhaul_core::workflow::expr::Scope;
use longhaul_core::workflow::file::SourceFile;
use longhaul_core::workflow::model::Workflow;
use longhaul_core::workflow::parse::{MAX_BYTES, parse, parse_policy};
use longhaul_engine::History;
use longhaul_workspace::rules::check_ignored as check_pattern;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The most bytes of all files that answer for a workflow's models: they go into the record.
const MAX_SCRIPTS: usize = 32 << 20;

/// What a run is given.
pub(crate) struct Given {
    /// What is to be done.
    pub workflow: Workflow,
    /// The file that says so.
    pub file: SourceFile,
    /// The folder that the workflow's paths are relative to.
    pub folder: PathBuf,
    /// What agents are allowed at most, where the operator says it.
    pub policy: Option<Policy>,
    /// The inputs, complete.
    pub inputs: Map<String, Value>,
    /// What answers for the workflow's own models, by their names.
    pub scripts: BTreeMap<String, String>,
}

/// What the operator allows.
pub(crate) struct Policy {
    /// What agents are allowed at most.
    pub permissions: Permissions,
    /// The file that says so.
    pub file: SourceFile,
}

impl Given {
    /// Reads and checks the files and the inputs, each of these as `NAME=VALUE`.
    pub(crate) fn read(
        workflow: &Path,
        policy: Option<&Path>,
        inputs: &[String],
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let file = read_file(workflow, "workflow", "`longhaul init` writes one to begin with")?;
        let folder = folder_of(workflow);
        let workflow = parse(&file.name, &file.text).map_err(wrong)?;
        check_ignored(&workflow, &file)?;
        let inputs = read_inputs(&workflow, inputs)?;
        // Which run it will be is not known yet; all that may depend on it is a text.
        let run = json!({ "id": "", "workflow": workflow.name.as_str(), "started": now.to_string() });
        let scope = Scope { inputs: &inputs, tasks: &BTreeMap::new(), item: None, run: &run };
        file.evaluates(&workflow, &scope).map_err(wrong)?;
        let policy = policy.map(Policy::read).transpose()?;
        let scripts = read_scripts(&workflow, &file, &folder)?;
        Ok(Self { workflow, file, folder, policy, inputs, scripts })
    }

    /// What a recorded run was given.
    pub(crate) fn recorded(history: &History) -> Result<Self, Failure> {
        let file = SourceFile { name: history.file.clone(), text: history.source.clone() };
        let workflow = parse(&file.name, &file.text).map_err(wrong)?;
        // Where a plugin was read matters only where the copy that the run kept is lost.
        let folder = folder_of(Path::new(&history.file));
        let policy = history.policy.clone();
        let policy = policy.map(|permissions| Policy { permissions, file: file.clone() });
        Ok(Self { workflow, file, folder, policy, inputs: Map::new(), scripts: history.scripts.clone() })
    }
}

impl Given {
    /// What the operator should know before the run begins, a line each: what is given without any bound.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (task, spec) in &self.workflow.tasks {
            for (capability, place, pattern, all) in unbounded(&spec.permissions) {
                let number = place.to_string();
                let own = ["tasks", task.as_str(), "permissions", capability, &number];
                let whose = if self.file.has(&own) { format!("tasks.{task}.") } else { String::new() };
                let warning = format!(
                    "warning: {}: {whose}permissions.{capability}[{place}]: `{pattern}` gives agents {all}; name those that they need",
                    self.file.name
                );
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings
    }
}

/// The patterns of permissions that fit everything: the capability, the place in its list, the pattern, and all that it gives.
fn unbounded(permissions: &Permissions) -> Vec<(&'static str, usize, &str, &'static str)> {
    let http = permissions.http.iter().flatten().enumerate();
    let http = http.filter(|(_, pattern)| WebPattern::parse(pattern).is_ok_and(|pattern| pattern.is_of_all()));
    let exec = permissions
        .exec
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, argv)| matches!(argv.as_slice(), [one] if one == "*"));
    let any = |list: &'_ Option<Vec<String>>| -> Vec<usize> {
        list.iter().flatten().enumerate().filter(|(_, one)| *one == "*").map(|(place, _)| place).collect()
    };
    let models = any(&permissions.model).into_iter().map(|place| ("model", place, "*", "every model of this host"));
    let messages =
        any(&permissions.messages).into_iter().map(|place| ("messages", place, "*", "every task and every topic"));
    http.map(|(place, pattern)| ("http", place, pattern.as_str(), "every public host"))
        .chain(exec.map(|(place, _)| ("exec", place, "*", "every program of this machine")))
        .chain(models)
        .chain(messages)
        .collect()
}

/// The folder that a workflow's paths are relative to.
fn folder_of(workflow: &Path) -> PathBuf {
    workflow.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

impl Policy {
    fn read(path: &Path) -> Result<Self, Failure> {
        let hint = "write one like `{ version: 1, permissions: { fs: { read: [\"**\"], write: [\"src/**\"] } } }`";
        let file = read_file(path, "policy", hint)?;
        let permissions = parse_policy(&file.name, &file.text).map_err(wrong)?;
        Ok(Self { permissions, file })
    }
}

/// A failure that a file is to blame for.
pub(crate) fn blamed(exit: Exit, error: &WorkflowError) -> Failure {
    Failure::new(exit, error.to_string())
}

fn wrong(errors: WorkflowErrors) -> Failure {
    Failure::new(Exit::Invalid, errors.to_string())
}

/// What is not versioned is said in the language of the workspace, which alone can tell whether it makes sense.
fn check_ignored(workflow: &Workflow, file: &SourceFile) -> Result<(), Failure> {
    for (i, pattern) in workflow.workspace.ignore.iter().enumerate() {
        if let Err(reason) = check_pattern(pattern) {
            let message = format!("this is not an ignore pattern: {reason}");
            let error =
                file.error(&["workspace", "ignore", &i.to_string()], message, "write it as in a `.gitignore` file");
            return Err(blamed(Exit::Invalid, &error));
        }
    }
    Ok(())
}

fn read_file(path: &Path, what: &str, where_from: &str) -> Result<SourceFile, Failure> {
    let mut text = String::new();
    // One byte more than such a file may have, so that whoever parses it can tell that it is too long.
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text));
    read.map_err(|e| {
        let failure = Failure::of(Exit::Invalid, format!("read the {what} {}", path.display()), &e);
        match e.kind() {
            ErrorKind::NotFound => failure.hint(where_from),
            ErrorKind::InvalidData => failure.hint("write it as text in UTF-8"),
            _ => failure.hint("name a file that you may read"),
        }
    })?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

/// Reads the files that answer for the workflow's models.
fn read_scripts(workflow: &Workflow, file: &SourceFile, folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut room = MAX_SCRIPTS;
    let mut scripts = BTreeMap::new();
    for (name, spec) in &workflow.models {
        let path = folder.join(spec.file());
        let wrong = |message: String, hint: &str| {
            blamed(Exit::Invalid, &file.error(&["models", name, spec.field()], message, hint))
        };
        let mut text = String::new();
        let opened = std::fs::File::open(&path);
        let read = opened.and_then(|file| file.take(room as u64 + 1).read_to_string(&mut text));
        read.map_err(|e| {
            wrong(
                format!("the file {} cannot be read: {e}", path.display()),
                "name a text file, relative to the folder of this one",
            )
        })?;
        room = room.checked_sub(text.len()).ok_or_else(|| {
            let message = format!("the files that answer for models have more than {MAX_SCRIPTS} bytes");
            wrong(message, "keep the lines of a record that `model` stands in")
        })?;
        scripts.insert(name.clone(), text);
    }
    Ok(scripts)
}

fn read_inputs(workflow: &Workflow, given: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut inputs = BTreeMap::new();
    for text in given {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("`--input {text}` is not NAME=VALUE"))
                .hint("for example `--input since=2.0`")
        })?;
        // One that the workflow does not have is told below.
        let value = workflow.inputs.get(name).map_or(Value::Null, |spec| spec.read(value));
        inputs.insert(name.to_owned(), value);
    }
    workflow.inputs(inputs).map_err(|e| Failure::of(Exit::Invalid, "use the inputs", &e))
}
