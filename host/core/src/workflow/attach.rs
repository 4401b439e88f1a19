//! Checks of attachments: each is one thing, and a command is one that the task may run.

use super::check::{Checker, at};
use super::expr::EvaluationError;
use super::expr::{Expression, Scope, Template};
use super::model::TaskSpec;
use super::raw::RawAttachment;
use super::source::FieldPath;
use crate::approvals::Approvals;
use crate::attachment::AttachSource;
use crate::grant::{Permissions, patterns};
use crate::id::Name;
use indexmap::IndexMap;
use serde_json::Value;

/// The most attachments that a task names; a pattern may stand for many files.
const MAX_NAMED: usize = 64;

/// What a task is given beside its input, as the workflow says.
#[derive(Debug, Clone)]
pub enum AttachSpec {
    /// Files, by a pattern; may hold expressions.
    Files(Template),
    /// A picture, by its path; may hold expressions.
    Image(Template),
    /// What this command writes.
    Command(Vec<String>),
    /// The state of the repository.
    Repository,
}

impl AttachSpec {
    /// What may hold expressions, with the name of its field.
    fn template(&self) -> Option<(&'static str, &Template)> {
        match self {
            AttachSpec::Files(template) => Some(("files", template)),
            AttachSpec::Image(template) => Some(("image", template)),
            AttachSpec::Command(_) | AttachSpec::Repository => None,
        }
    }

    /// All expressions in it, each with the way to it.
    pub(super) fn expressions(&self) -> impl Iterator<Item = (Vec<String>, &Expression)> {
        self.template().into_iter().flat_map(|(field, template)| {
            let within = move |(inner, expression)| {
                let path: Vec<String> = std::iter::once(field.to_owned()).chain(inner).collect();
                (path, expression)
            };
            template.expressions().into_iter().map(within)
        })
    }
}

impl TaskSpec {
    /// What the task is given beside its input, with all expressions replaced.
    ///
    /// # Errors
    /// [`EvaluationError`] for the first expression that has no value, or one that is no text.
    pub fn sources(&self, scope: &Scope<'_>) -> Result<Vec<AttachSource>, EvaluationError> {
        let text = |template: &Template| match template.evaluate(scope)? {
            Value::String(text) => Ok(text),
            other => {
                let source_text = template.as_expression().map_or_else(|| "attach".into(), |e| e.source().into());
                let reason =
                    format!("`attach` takes a pattern or a path here, and this is {}", super::path::kind(&other));
                Err(EvaluationError { source_text, reason })
            }
        };
        let source = |spec: &AttachSpec| {
            Ok(match spec {
                AttachSpec::Files(template) => AttachSource::Files(text(template)?),
                AttachSpec::Image(template) => AttachSource::Image(text(template)?),
                AttachSpec::Command(argv) => AttachSource::Command(argv.clone()),
                AttachSpec::Repository => AttachSource::Repository,
            })
        };
        self.attach.iter().map(source).collect()
    }
}

/// Checks what is attached to a task that is given `permissions`.
pub(super) fn check(
    checker: &mut Checker<'_>,
    path: &[String],
    raw: Vec<RawAttachment>,
    permissions: &Permissions,
) -> Vec<AttachSpec> {
    if raw.len() > MAX_NAMED {
        let message = format!("there are {} attachments, more than {MAX_NAMED}", raw.len());
        checker.error(path, message, "name several files by one pattern");
        return Vec::new();
    }
    let mut specs = Vec::new();
    for (number, attachment) in raw.into_iter().enumerate() {
        let item: FieldPath = path.iter().cloned().chain([number.to_string()]).collect();
        specs.extend(one(checker, &item, attachment, permissions));
    }
    specs
}

fn one(
    checker: &mut Checker<'_>,
    item: &[String],
    raw: RawAttachment,
    permissions: &Permissions,
) -> Option<AttachSpec> {
    let field = |name: &str| -> FieldPath { item.iter().cloned().chain([name.to_owned()]).collect() };
    match raw {
        RawAttachment { files: Some(files), image: None, command: None, repository: None, is_text } => {
            let path = if is_text { item.to_vec() } else { field("files") };
            let template = checker.template(&path, Value::String(files));
            if let Some(Value::String(text)) = template.as_literal()
                && let Err(error) = patterns(std::slice::from_ref(text))
            {
                checker.error(&path, error.to_string(), "write it like `src/**/*.rs`");
            }
            Some(AttachSpec::Files(template))
        }
        RawAttachment { image: Some(image), files: None, command: None, repository: None, .. } => {
            Some(AttachSpec::Image(checker.template(&field("image"), Value::String(image))))
        }
        RawAttachment { command: Some(argv), files: None, image: None, repository: None, .. } => {
            if argv.first().is_none_or(String::is_empty) || argv.iter().any(|word| word.contains('\0')) {
                let message = "the command is empty or has a NUL in it";
                checker.error(&field("command"), message, "write it like `[git, log, -5]`");
            } else if !permissions.gives_command(&argv) {
                let message = "the task's permissions do not cover the command";
                checker.error(
                    &field("command"),
                    message,
                    format!("add `exec: [{argv:?}]` to the task's `permissions`"),
                );
            }
            Some(AttachSpec::Command(argv))
        }
        RawAttachment { repository: Some(is_wanted), files: None, image: None, command: None, .. } => {
            is_wanted.then_some(AttachSpec::Repository)
        }
        _ => {
            let hint = "write one of `files: PATTERN`, `image: PATH`, `command: [PROGRAM, …]` and `repository: true`";
            checker.error(item, "an attachment is one thing", hint);
            None
        }
    }
}

/// Checks that no attachment waits for a person: it is captured before the agent begins.
pub(super) fn check_approvals(checker: &mut Checker<'_>, tasks: &IndexMap<Name, TaskSpec>, approvals: &Approvals) {
    for (name, task) in tasks {
        for (number, spec) in task.attach.iter().enumerate() {
            if let AttachSpec::Command(argv) = spec
                && approvals.command(argv)
            {
                let path = at!["tasks", name.as_str(), "attach", number.to_string(), "command"].to_vec();
                let message = "a person has to approve this command each time, and an attachment cannot wait for that";
                checker.error(&path, message, "leave it to the agent, or take it out of `approvals`");
            }
        }
    }
}
