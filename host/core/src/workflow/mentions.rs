//! Checks of what expressions mention: that it exists, that it can be seen from where the expression stands, and that it is
//! known by the time the expression is evaluated.

use super::check::{Checker, at};
use super::expr::{Expression, RUN_FIELDS, Template};
use super::model::{InputSpec, TaskSpec};
use super::path::{Path, Root, Step};
use super::source::FieldPath;
use crate::id::Name;
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashSet};

/// Where an expression stands, which decides what it can see.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    With { for_each: bool },
    ForEach,
    Condition,
    DoneWhen,
}

/// Checks what the expressions of one of the `tasks` mention.
pub(super) fn check_task(
    checker: &mut Checker<'_>,
    name: &Name,
    task: &TaskSpec,
    tasks: &IndexMap<Name, TaskSpec>,
    inputs: &BTreeMap<String, InputSpec>,
) {
    let place = Place::With { for_each: task.for_each.is_some() };
    let mut found: Vec<(FieldPath, &Expression, Place)> = Vec::new();
    let compensation = task.compensate.as_ref().map(|spec| &spec.with);
    let split = task.split.as_ref().and_then(|spec| spec.with.as_ref());
    let templates: [(&[&str], Option<&Template>, Place); 4] = [
        (&["with"], Some(&task.with), place),
        (&["for_each"], task.for_each.as_ref(), Place::ForEach),
        (&["compensate", "with"], compensation, place),
        (&["split", "with"], split, place),
    ];
    for (field, template, place) in templates {
        for (inner, expression) in template.into_iter().flat_map(Template::expressions) {
            let steps = field.iter().map(|step| (*step).to_owned());
            let path = at!["tasks", name.as_str()].iter().cloned().chain(steps).chain(inner).collect();
            found.push((path, expression, place));
        }
    }
    for (number, attachment) in task.attach.iter().enumerate() {
        for (inner, expression) in attachment.expressions() {
            let number = number.to_string();
            let path = at!["tasks", name.as_str(), "attach", number].iter().cloned().chain(inner).collect();
            found.push((path, expression, place));
        }
    }
    if let Some(expression) = &task.condition {
        found.push((at!["tasks", name.as_str(), "if"].to_vec(), expression, Place::Condition));
    }
    if found.is_empty() {
        return;
    }
    let before = ancestors(task, tasks);
    for (path, expression, place) in found {
        for used in expression.paths() {
            check_path(checker, &path, used, place, inputs, |checker, other| {
                if !tasks.contains_key(other) {
                    checker.unknown(&path, "task", other.as_str(), tasks.keys().map(Name::as_str));
                } else if other == name {
                    checker.error(
                        &path,
                        format!("the task `{name}` mentions its own result"),
                        "use that of another task",
                    );
                } else if !before.contains(other) {
                    let message = format!("`{used}` is mentioned, but `{name}` does not wait for `{other}`");
                    checker.error(&path, message, format!("add `needs: {other}` to the task `{name}`"));
                }
            });
        }
    }
}

/// Checks what `done_when` mentions.
pub(super) fn check_done_when(
    checker: &mut Checker<'_>,
    expression: &Expression,
    tasks: &IndexMap<Name, TaskSpec>,
    inputs: &BTreeMap<String, InputSpec>,
) {
    for used in expression.paths() {
        check_path(checker, at!["done_when"], used, Place::DoneWhen, inputs, |checker, other| {
            if !tasks.contains_key(other) {
                checker.unknown(at!["done_when"], "task", other.as_str(), tasks.keys().map(Name::as_str));
            }
        });
    }
}

/// Checks that an input or a fact about the run exists.
pub(super) fn check_facts(
    checker: &mut Checker<'_>,
    path: &[String],
    used: &Path,
    inputs: &BTreeMap<String, InputSpec>,
) {
    let Some(Step::Field(field)) = used.steps.first() else { return };
    match used.root {
        Root::Inputs if !inputs.contains_key(field) => {
            checker.unknown(path, "input", field, inputs.keys().map(String::as_str));
        }
        Root::Run if !RUN_FIELDS.contains(&field.as_str()) => checker.unknown(path, "run field", field, RUN_FIELDS),
        _ => {}
    }
}

fn check_path(
    checker: &mut Checker<'_>,
    path: &[String],
    used: &Path,
    place: Place,
    inputs: &BTreeMap<String, InputSpec>,
    task: impl FnOnce(&mut Checker<'_>, &Name),
) {
    match &used.root {
        Root::Inputs | Root::Run => check_facts(checker, path, used, inputs),
        Root::Task(other) => task(checker, other),
        Root::Item | Root::Index => {
            let hint = match place {
                Place::With { for_each: true } => return,
                Place::With { for_each: false } => "add `for_each` to the task, or use something else",
                Place::ForEach => "the list has to be known before its elements are",
                Place::Condition => {
                    "`if` is seen once for the whole task; leave elements out of the list, as in `list.filter(e, …)`"
                }
                Place::DoneWhen => "use the outputs of tasks",
            };
            checker.error(path, format!("there is no `{used}` here"), hint);
        }
    }
}

/// All tasks that have ended when `task` starts.
fn ancestors<'a>(task: &'a TaskSpec, tasks: &'a IndexMap<Name, TaskSpec>) -> HashSet<&'a Name> {
    let mut before = HashSet::new();
    let mut open: Vec<&Name> = task.needs.iter().collect();
    while let Some(name) = open.pop() {
        if before.insert(name) {
            open.extend(tasks.get(name).into_iter().flat_map(|task| &task.needs));
        }
    }
    before
}
