//! Checks of checks: each runs one command, which the workflow's permissions cover.

use super::check::{Checker, at};
use super::model::{AgentSpec, CheckSpec};
use super::raw::RawCheck;
use super::source::FieldPath;
use crate::grant::Permissions;
use crate::id::Name;
use crate::path::StagePath;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most checks of a workflow.
const MAX_CHECKS: usize = 100;
/// The wall time of a check where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Checks the checks; `given` is what the workflow gives.
pub(super) fn check(
    checker: &mut Checker<'_>,
    raw: IndexMap<String, RawCheck>,
    agents: &BTreeMap<Name, AgentSpec>,
    given: &Permissions,
) -> BTreeMap<Name, CheckSpec> {
    if raw.len() > MAX_CHECKS {
        let message = format!("the workflow has {} checks, more than {MAX_CHECKS}", raw.len());
        checker.error(at!["checks"], message, "let one command check several things");
        return BTreeMap::new();
    }
    let mut checks = BTreeMap::new();
    for (text, RawCheck { run, cwd, env, timeout }) in raw {
        let Some(name) = checker.name_key(at!["checks", &text], &text) else { continue };
        let field = |field: &str| -> FieldPath { at!["checks", &text, field].to_vec() };
        if agents.contains_key(&name) {
            // Whoever names one of them means one of them.
            checker.key_error(at!["checks", &text], "an agent has this name", "give one of them another name");
        }
        if run.first().is_none_or(String::is_empty) || run.iter().any(|word| word.contains('\0')) {
            checker.error(&field("run"), "the command is empty or has a NUL in it", "write it like `[cargo, test]`");
        } else if !given.gives_command(&run) {
            let line = format!("add `exec: [{run:?}]` to the workflow's `permissions`");
            checker.error(&field("run"), "the workflow's permissions do not cover the command", line);
        }
        for (variable, value) in &env {
            if variable.is_empty() || variable.contains(['=', '\0']) || value.contains('\0') {
                let path = at!["checks", &text, "env", variable].to_vec();
                checker.error(&path, "this is no environment variable", "write it like `RUST_LOG: debug`");
            }
        }
        let cwd = cwd.map(|text| StagePath::new(text.trim_end_matches('/')));
        let cwd = match cwd.transpose() {
            Ok(cwd) => cwd.unwrap_or_default(),
            Err(error) => {
                checker.error(&field("cwd"), error.to_string(), "write it relative to the workspace's root");
                continue;
            }
        };
        let timeout = timeout.and_then(|text| checker.at_least_a_second(&field("timeout"), &text)).unwrap_or(TIMEOUT);
        let env = env.into_iter().collect();
        checks.insert(name, CheckSpec { run, cwd, env, timeout, permissions: given.clone() });
    }
    checks
}
