//! From the text of a file to what it says, checked: a [`Workflow`], or an operator's policy.

use super::check;
use super::error::{WorkflowError, WorkflowErrors};
use super::model::Workflow;
use super::near::nearest;
use super::source::{Source, Tree, options};
use crate::grant::Permissions;
use serde::de::DeserializeOwned;
use serde_saphyr::Error as Yaml;

pub use super::source::MAX_BYTES;

/// Reads and checks a workflow file. `file` is its name: errors carry it, and `*.md` is read as front matter and prose.
///
/// # Errors
/// [`WorkflowErrors`]: the first error where the file has not the form of a workflow, otherwise all errors.
pub fn parse(file: &str, text: &str) -> Result<Workflow, WorkflowErrors> {
    let source = Source::new(file, text)?;
    check::workflow(read(&source)?, &source)
}

/// Reads and checks a policy file: what its operator allows agents at most, whatever a workflow gives them.
///
/// # Errors
/// As [`parse`].
pub fn parse_policy(file: &str, text: &str) -> Result<Permissions, WorkflowErrors> {
    let source = Source::new(file, text)?;
    check::policy(read(&source)?, &source)
}

fn read<T: DeserializeOwned>(source: &Source<'_>) -> Result<T, WorkflowErrors> {
    serde_saphyr::from_str_with_options(&source.yaml, options()).map_err(|error| form_error(source, &error).into())
}

/// An error about the form of the file.
fn form_error(source: &Source<'_>, error: &Yaml) -> WorkflowError {
    let error = match error.without_snippet() {
        Yaml::AliasError { error, .. } => error,
        other => other,
    };
    let at = error.location().map_or((1, 1), |location| (location.line().max(1), location.column().max(1)));
    let mut path = Tree::read(&source.yaml).map(|tree| tree.path_at(at)).unwrap_or_default();
    let (message, hint) = match error {
        Yaml::SerdeUnknownField { field, expected, .. } => {
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            let shown: String = field.chars().take(64).collect();
            let hint = match nearest(field, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; known fields here: {}", expected.join(", ")),
            };
            (format!("unknown field `{shown}`"), hint)
        }
        Yaml::SerdeMissingField { field, .. } => {
            (format!("the field `{field}` is missing"), format!("add `{field}:` here"))
        }
        Yaml::SerdeInvalidType { unexpected, expected, .. } | Yaml::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("expected {}, found {}", short(expected), short(unexpected)), "change the value".into())
        }
        Yaml::Unexpected { expected, .. } => (format!("expected {expected} here"), "change the value".into()),
        Yaml::InvalidScalar { ty, .. } => (format!("this is not a value of type {ty}"), "change the value".into()),
        Yaml::DuplicateMappingKey { key, .. } => (
            format!("`{}` is there twice", short(key.as_deref().unwrap_or("a key"))),
            "remove or rename one of the two".into(),
        ),
        Yaml::Budget { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => (
            "the file is too large, too deep, or its anchors expand to too much".into(),
            "move data into files of the workspace, and nest less".into(),
        ),
        Yaml::MultipleDocuments { .. } => (
            "the file holds more than one document".into(),
            "keep one workflow in a file, without `---` behind it".into(),
        ),
        Yaml::Eof { .. } if source.yaml.trim().is_empty() => {
            ("the file is empty".into(), "`longhaul init` writes a workflow to begin with".into())
        }
        other => {
            (short(&other.to_string()), "this does not read as YAML; look at indentation, quotes and brackets".into())
        }
    };
    source.error(at, &path, message, hint)
}

/// One line of at most 300 characters.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
