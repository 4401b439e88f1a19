//! Expressions in workflows: `${{ tasks.plan.chunks }}`.
//!
//! An [`Expression`] is one piece of CEL, parsed and checked when the workflow is read. A [`Template`] is a JSON value with
//! expressions in its texts: a text that is exactly one expression stands for the expression's value with its type, and
//! any other text has its expressions replaced by their values as text. Both see a [`Scope`]:
//!
//! | variable | what it is |
//! |---|---|
//! | `inputs` | the inputs of the run, by name |
//! | `tasks.NAME` | the output fields of a task that ended, and its `status` |
//! | `item`, `index` | the element of a `for_each` and its number from 0 on |
//! | `run` | facts about the run, see [`RUN_FIELDS`] |
//!
//! `$${{` stands for the text `${{` itself.
//!
//! This file is the expression and what it sees. `parts` finds expressions in texts, `template` has the values around them.

mod parts;
mod template;

pub use template::{Template, TemplateError};

use super::cel::Program;
use super::path::{Path, kind};
use crate::id::Name;
use crate::state::TaskState;
use parts::{Part, split};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The fields of `run`: the run's id, the workflow's name, and when the run started, as `2026-11-20T05:14:22.125Z`.
pub const RUN_FIELDS: [&str; 3] = ["id", "workflow", "started"];

/// The result of a task, for those that need it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskResult {
    /// How it ended.
    pub status: TaskState,
    /// Its output, a JSON object; `{"items": [...]}` with the outputs of the elements for a task with `for_each`.
    pub output: Value,
}

impl TaskResult {
    /// The result of a task with `for_each`, of the outputs of its elements in order; null for one that has none.
    pub fn gathered(status: TaskState, outputs: Vec<Value>) -> Self {
        Self { status, output: serde_json::json!({ "items": outputs }) }
    }
}

/// What an expression sees.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The inputs of the run.
    pub inputs: &'a Map<String, Value>,
    /// The tasks that have ended.
    pub tasks: &'a BTreeMap<Name, TaskResult>,
    /// The element of a `for_each` and its number.
    pub item: Option<(&'a Value, usize)>,
    /// Facts about the run: an object with the [`RUN_FIELDS`].
    pub run: &'a Value,
}

/// One checked piece of CEL.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    program: Arc<Program>,
}

/// An expression that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong, and what to do about it.
    pub message: String,
    /// Where in the text, in characters.
    pub offset: usize,
}

/// An expression that has no value now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`${{{{ {source_text} }}}}` cannot be evaluated: {reason}")]
pub struct EvaluationError {
    /// The expression.
    pub source_text: String,
    /// Why, in words.
    pub reason: String,
}

impl Expression {
    /// Parses and checks one expression, with or without `${{ }}` around it.
    ///
    /// # Errors
    /// [`ExpressionError`] where it does not parse, is too complex, or mentions what does not exist.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let trimmed = text.trim();
        match split(trimmed)?.as_slice() {
            [Part::Expression { source, offset }] => Self::bare(source).map_err(|error| error.shifted(*offset)),
            [Part::Text(_)] => Self::bare(trimmed),
            [] => Self::bare(""),
            _ => Err(ExpressionError {
                message: "here stands one expression and nothing else, as in `${{ inputs.ready }}`".into(),
                offset: 0,
            }),
        }
    }

    fn bare(source: &str) -> Result<Self, ExpressionError> {
        Ok(Self { source: source.trim().into(), program: Arc::new(Program::compile(source)?) })
    }

    /// The expression as it is written, without `${{ }}`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths into the scope that it uses.
    pub fn paths(&self) -> &[Path] {
        &self.program.paths
    }

    /// Its value.
    ///
    /// # Errors
    /// [`EvaluationError`] where it has none, or takes more computing or memory than an expression may.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        self.program.evaluate(scope).map_err(|reason| self.error(reason))
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`EvaluationError`] as for [`Expression::evaluate`], and where its value is neither true nor false.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        match self.evaluate(scope)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(self.error(format!("a condition is true or false, and this is {}", kind(&other)))),
        }
    }

    fn error(&self, reason: String) -> EvaluationError {
        EvaluationError { source_text: self.source.chars().take(200).collect(), reason }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{{ {} }}}}", self.source)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl ExpressionError {
    fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}
