//! [`SourceFile`]: a file that was read, for what is found wrong with it only when its words meet the machine: a plugin that
//! is not there, a grant that is too narrow, an expression that has no value with these inputs.

use super::error::{WorkflowError, WorkflowErrors};
use super::expr::Scope;
use super::model::Workflow;
use super::source::{Source, Tree};

/// A workflow or policy file as it was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The file, as errors name it.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// Whether the file itself has the field at `path`, as in `["tasks", "change", "needs", "0"]`.
    pub fn has(&self, path: &[&str]) -> bool {
        let read = Source::new(&self.name, &self.text).ok().and_then(|source| Tree::read(&source.yaml));
        read.is_some_and(|tree| tree.has(&owned(path)))
    }

    /// An error about the field at `path`, with its place in the file. Where the file does not have the field, the place is
    /// that of the nearest one around it.
    pub fn error(&self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) -> WorkflowError {
        let (path, message, hint) = (owned(path), message.into(), hint.into());
        match Source::new(&self.name, &self.text) {
            Ok(source) => {
                let at = Tree::read(&source.yaml).map_or((1, 1), |tree| tree.value_at(&path));
                source.error(at, &path, message, hint)
            }
            // Not for a file that was read before.
            Err(_) => WorkflowError {
                file: self.name.clone(),
                line: 1,
                column: 1,
                field: path.join("."),
                message,
                hint,
                source_line: String::new(),
            },
        }
    }

    /// Works out what holds for a whole run of `workflow`, which this file says: the objective and all configurations.
    ///
    /// # Errors
    /// Each expression that has no value in `scope`.
    pub fn evaluates(&self, workflow: &Workflow, scope: &Scope<'_>) -> Result<(), WorkflowErrors> {
        let agents = workflow.agents.iter().map(|(name, spec)| (vec!["agents", name.as_str(), "config"], &spec.config));
        let strategies =
            workflow.strategies.iter().map(|(name, spec)| (vec!["strategies", name.as_str(), "config"], &spec.config));
        let mut errors = Vec::new();
        for (path, template) in [(vec!["objective"], &workflow.objective)].into_iter().chain(agents).chain(strategies) {
            for (inner, expression) in template.expressions() {
                if let Err(error) = expression.evaluate(scope) {
                    let path: Vec<_> = path.iter().copied().chain(inner.iter().map(String::as_str)).collect();
                    errors.push(self.error(&path, error.to_string(), "give other inputs, or change the expression"));
                }
            }
        }
        errors.sort_by_key(|error| (error.line, error.column));
        if errors.is_empty() { Ok(()) } else { Err(WorkflowErrors(errors)) }
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().copied().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::parse::parse;
    use serde_json::json;
    use std::collections::BTreeMap;

    const TEXT: &str = "---\nversion: 1\nname: x\ninputs: { n: { default: 1 } }\nagents:\n  a:\n    plugin: nowhere\n\
                        \x20   config: { all: [\"${{ 10 / inputs.n }}\"] }\ntasks: { t: { agent: a } }\n---\nprose\n";

    fn file() -> SourceFile {
        SourceFile { name: "WORKFLOW.md".into(), text: TEXT.into() }
    }

    #[test]
    fn an_error_found_later_has_the_place_of_its_field_or_of_the_nearest_one() {
        let shown = file().error(&["agents", "a", "plugin"], "there is none", "take another").to_string();
        assert!(shown.starts_with("WORKFLOW.md:7:13: there is none (at agents.a.plugin)\n"), "{shown}");
        assert!(shown.contains("plugin: nowhere") && shown.ends_with("hint: take another"), "{shown}");
        let near = file().error(&["tasks", "t", "permissions"], "too narrow", "");
        assert_eq!((near.line, near.field.as_str()), (9, "tasks.t.permissions"));
        assert!(file().has(&["tasks", "t", "agent"]) && file().has(&["agents", "a", "config", "all", "0"]));
        assert!(!file().has(&["tasks", "t", "permissions"]) && !file().has(&["agents", "a", "config", "all", "1"]));
    }

    #[test]
    fn a_configuration_without_a_value_is_told_with_its_place() {
        let workflow = parse("WORKFLOW.md", TEXT).unwrap();
        let evaluate = |n: i64| {
            let inputs = json!({ "n": n }).as_object().cloned().unwrap();
            let scope = Scope { inputs: &inputs, tasks: &BTreeMap::new(), item: None, run: &json!({}) };
            file().evaluates(&workflow, &scope)
        };
        evaluate(1).unwrap();
        let error = evaluate(0).unwrap_err().0.remove(0);
        assert_eq!((error.line, error.field.as_str()), (8, "agents.a.config.all[0]"), "{error}");
        assert!(error.message.contains("10 / inputs.n"), "{error}");
    }
}
