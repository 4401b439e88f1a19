//! [`Essence`]: what a run came to, by its own record, and whether each step is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::demo;
use crate::process;
use crate::soak::{Soak, SoakError};

/// What has to be the same, however often a run was killed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Essence {
    status: Value,
    /// The digest of the resulting version.
    workspace: Value,
    /// Host calls recorded.
    pub(super) actions: u64,
    incidents: u64,
    /// State, attempts and actions, by task.
    tasks: BTreeMap<String, (Value, Value, Value)>,
    /// Lines of the record, which grow with each life.
    pub(super) entries: u64,
}

/// Reads what the newest run of a workspace came to.
pub(super) fn read(soak: &Soak, workspace: &Path) -> Result<Essence, SoakError> {
    let longhaul = |words: &[&str]| {
        let mut command = Command::new(&soak.longhaul);
        process::capture(command.arg("--workspace").arg(workspace).args(words))
    };
    let wrong = |what: String| SoakError::Different { what, folder: workspace.to_owned() };
    let shown = longhaul(&["show", "last", "--json"])?;
    let shown: Value = serde_json::from_str(&shown).map_err(|e| wrong(format!("`show --json`: {e}")))?;
    let lines = longhaul(&["logs", "last", "--json"])?;
    let actions = once(&lines).map_err(wrong)?;
    let essence = essence(&shown);
    if actions != essence.actions {
        let counted = essence.actions;
        return Err(wrong(format!("the record has {actions} actions, and its summary counts {counted}")));
    }
    Ok(essence)
}

fn essence(shown: &Value) -> Essence {
    let tasks = shown["tasks"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let row = |row: &Value| {
        let name = row["task"].as_str().unwrap_or_default().to_owned();
        (name, (row["state"].clone(), row["attempts"].clone(), row["actions"].clone()))
    };
    Essence {
        status: shown["status"].clone(),
        workspace: shown["workspace"].clone(),
        actions: shown["actions"].as_u64().unwrap_or_default(),
        incidents: shown["incidents"].as_array().map_or(0, Vec::len) as u64,
        tasks: tasks.map(row).collect(),
        entries: shown["entries"].as_u64().unwrap_or_default(),
    }
}

impl Essence {
    /// Fails with the first difference.
    pub(super) fn same_as(&self, expected: &Essence) -> Result<(), String> {
        let differ =
            |what: &str, found: String, expected: String| Err(format!("{what}: {found}, and undisturbed {expected}"));
        if (&self.status, &self.workspace) != (&expected.status, &expected.workspace) {
            let shown = |essence: &Essence| format!("{} with {}", essence.status, essence.workspace);
            return differ("the run is", shown(self), shown(expected));
        }
        if self.tasks != expected.tasks {
            let all: BTreeSet<_> = self.tasks.keys().chain(expected.tasks.keys()).collect();
            let first = all.into_iter().find(|task| self.tasks.get(*task) != expected.tasks.get(*task));
            let first = first.map(String::as_str).unwrap_or_default();
            let shown = |essence: &Essence| format!("{:?}", essence.tasks.get(first));
            return differ(&format!("the task {first} is"), shown(self), shown(expected));
        }
        if (self.actions, self.incidents) != (expected.actions, expected.incidents) {
            let shown = |essence: &Essence| format!("{} actions, {} incidents", essence.actions, essence.incidents);
            return differ("the record has", shown(self), shown(expected));
        }
        Ok(())
    }
}

/// Whether, in the lines of a record, each attempt began and ended once, was committed at most once, and has each number of
/// an action once; gives the number of actions.
fn once(lines: &str) -> Result<u64, String> {
    let (mut seen, mut actions) = (BTreeSet::new(), 0);
    let (mut begun, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).map_err(|e| format!("a line of the record is not JSON: {e}"))?;
        let kind = line["kind"].as_str().unwrap_or_default();
        let attempt = format!("{}#{}", line["task"].as_str().unwrap_or_default(), line["attempt"]);
        let step = match kind {
            "action" => {
                actions += 1;
                format!("action {} of {attempt}", line["number"])
            }
            "attempt-started" | "attempt-ended" | "committed" => format!("{kind} of {attempt}"),
            _ => continue,
        };
        match kind {
            "attempt-started" => drop(begun.insert(attempt)),
            "attempt-ended" => drop(ended.insert(attempt)),
            _ => {}
        }
        if !seen.insert(step.clone()) {
            return Err(format!("the record has it twice: {step}"));
        }
    }
    match begun.symmetric_difference(&ended).next() {
        None => Ok(actions),
        Some(attempt) => Err(format!("the attempt {attempt} did not both begin and end")),
    }
}

/// Whether two workspaces hold the same files, their states apart.
pub(super) fn same_files(found: &Path, expected: &Path) -> Result<(), String> {
    let read = |root: &Path| -> Result<BTreeMap<String, Vec<u8>>, String> {
        let failed = |e: std::io::Error| format!("{} cannot be read: {e}", root.display());
        let mut files = BTreeMap::new();
        for path in demo::files_below(root).map_err(failed)? {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if !name.starts_with(".longhaul/") {
                files.insert(name, fs::read(&path).map_err(failed)?);
            }
        }
        Ok(files)
    };
    let (found, expected) = (read(found)?, read(expected)?);
    let all: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    match all.into_iter().find(|name| found.get(*name) != expected.get(*name)) {
        None => Ok(()),
        Some(name) => Err(format!("the file {name} is not as an undisturbed run leaves it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, attempt: u32, number: u32) -> String {
        format!(r#"{{"kind":"{kind}","task":"t","attempt":{attempt},"number":{number}}}"#)
    }

    #[test]
    fn each_step_is_in_the_record_once() {
        let good = [
            line("attempt-started", 1, 0),
            line("action", 1, 1),
            line("action", 1, 2),
            line("log", 1, 0),
            line("log", 1, 0),
            line("attempt-ended", 1, 0),
            line("committed", 1, 0),
        ];
        assert_eq!(once(&good.join("\n")), Ok(2));
        for twice in [0, 1, 5, 6] {
            let bad: Vec<_> = good.iter().chain([&good[twice]]).cloned().collect();
            assert!(once(&bad.join("\n")).unwrap_err().contains("twice"), "{}", good[twice]);
        }
        assert!(once(&good[..5].join("\n")).unwrap_err().contains("t#1"));
        assert!(once("{").is_err());
    }

    #[test]
    fn the_first_difference_is_told() {
        let shown = |state: &str, actions: u64| {
            serde_json::json!({"status": "completed", "workspace": "d1", "actions": actions, "incidents": [], "entries": 9,
                "tasks": [{"task": "a", "state": state, "attempts": 1, "actions": 3}]})
        };
        let expected = essence(&shown("completed", 3));
        assert_eq!(essence(&shown("completed", 3)).same_as(&expected), Ok(()));
        assert!(essence(&shown("failed", 3)).same_as(&expected).unwrap_err().contains("the task a"));
        assert!(essence(&shown("completed", 4)).same_as(&expected).unwrap_err().contains("4 actions"));
    }
}
