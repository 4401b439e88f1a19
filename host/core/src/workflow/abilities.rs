//! Checks of what agents are able to do, and of what a person has to approve.

use super::check::{Checker, at};
use super::raw::RawApprovals;
use super::source::FieldPath;
use crate::approvals::Approvals;
use crate::id::Name;
use std::collections::BTreeSet;

/// The most skills of one agent, and the most patterns of approvals.
const MAX: usize = 100;

/// The skills of an agent.
pub(super) fn skills(checker: &mut Checker<'_>, field: &FieldPath, raw: Vec<String>) -> BTreeSet<Name> {
    if raw.len() > MAX {
        checker.error(field, format!("an agent has at most {MAX} skills"), "leave out what nobody asks for");
    }
    let mut skills = BTreeSet::new();
    for text in raw {
        match Name::new(text) {
            Ok(skill) => drop(skills.insert(skill)),
            Err(error) => checker.error(field, error.to_string(), "write a word, as in `skills: [rust, tests]`"),
        }
    }
    skills
}

/// What a person has to approve.
pub(super) fn approvals(checker: &mut Checker<'_>, raw: RawApprovals) -> Approvals {
    let RawApprovals { exec, http } = raw;
    if exec.len() + http.len() > MAX {
        checker.error(at!["approvals"], format!("there are more than {MAX} patterns"), "put several into one by `*`");
    }
    if exec.iter().any(|pattern| pattern.first().is_none_or(String::is_empty)) {
        let help = "name the program, as in `exec: [[git, push]]`";
        checker.error(at!["approvals", "exec"], "a pattern of commands begins with a program", help);
    }
    let is_address = |pattern: &String| pattern.rsplit(' ').next().is_some_and(|url| url.contains("://") || url == "*");
    if !http.iter().all(is_address) {
        let help = "write it as in `http: [\"POST https://api.example.com/*\"]`";
        checker.error(at!["approvals", "http"], "a pattern of requests ends with an address", help);
    }
    Approvals { exec, http }
}
