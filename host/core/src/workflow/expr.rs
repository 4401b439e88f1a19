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

use super::cel::Program;
use super::path::{Path, kind};
use crate::id::Name;
use crate::state::TaskState;
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

/// A JSON value with expressions in its texts.
#[derive(Debug, Clone)]
pub struct Template(Node);

#[derive(Debug, Clone)]
enum Node {
    Literal(Value),
    Value(Expression),
    Text(Vec<Piece>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Value(Expression),
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

/// An error in a template, with the way to it: keys and numbers from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The way to the text.
    pub path: Vec<String>,
    /// The error in it.
    pub error: ExpressionError,
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

impl Template {
    /// Parses and checks all expressions in the texts of `value`.
    ///
    /// # Errors
    /// Every [`TemplateError`] that there is.
    pub fn parse(value: Value) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let node = Node::parse(value, &mut Vec::new(), &mut errors);
        if errors.is_empty() { Ok(Self(node)) } else { Err(errors) }
    }

    /// A template without expressions.
    pub fn literal(value: Value) -> Self {
        Self(Node::Literal(value))
    }

    /// The value as it stands, where no part of it is an expression.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The expression that the whole template is, where it is one.
    pub fn as_expression(&self) -> Option<&Expression> {
        match &self.0 {
            Node::Value(expression) => Some(expression),
            _ => None,
        }
    }

    /// Whether it is a list that is written out.
    pub fn is_list(&self) -> bool {
        matches!(&self.0, Node::List(_) | Node::Literal(Value::Array(_)))
    }

    /// All expressions in it, each with the way to it.
    pub fn expressions(&self) -> Vec<(Vec<String>, &Expression)> {
        let mut found = Vec::new();
        self.0.collect(&mut Vec::new(), &mut found);
        found
    }

    /// The value with all expressions replaced.
    ///
    /// # Errors
    /// [`EvaluationError`] for the first expression that has no value.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        self.0.evaluate(scope)
    }
}

impl Default for Template {
    /// An empty object.
    fn default() -> Self {
        Self::literal(Value::Object(Map::new()))
    }
}

impl Node {
    fn parse(value: Value, path: &mut Vec<String>, errors: &mut Vec<TemplateError>) -> Node {
        let mut within = |step: String, value, errors: &mut Vec<_>| {
            path.push(step);
            let node = Node::parse(value, path, errors);
            path.pop();
            node
        };
        match value {
            Value::String(text) => Node::text(text).unwrap_or_else(|error| {
                errors.push(TemplateError { path: path.clone(), error });
                Node::Literal(Value::Null)
            }),
            Value::Array(list) => {
                let list = list.into_iter().enumerate().map(|(i, v)| within(i.to_string(), v, errors)).collect();
                Node::List(list).settled()
            }
            Value::Object(map) => {
                let map = map.into_iter().map(|(k, v)| (k.clone(), within(k, v, errors))).collect();
                Node::Object(map).settled()
            }
            other => Node::Literal(other),
        }
    }

    fn text(text: String) -> Result<Node, ExpressionError> {
        let parts = split(&text)?;
        if let [Part::Expression { source, offset }] = parts.as_slice() {
            return Ok(Node::Value(Expression::bare(source).map_err(|e| e.shifted(*offset))?));
        }
        let mut pieces = Vec::new();
        for part in parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Expression { source, offset } => {
                    Piece::Value(Expression::bare(source).map_err(|e| e.shifted(offset))?)
                }
            });
        }
        Ok(match pieces.as_mut_slice() {
            [] => Node::Literal(Value::String(String::new())),
            [Piece::Text(text)] => Node::Literal(Value::String(std::mem::take(text))),
            _ => Node::Text(pieces),
        })
    }

    /// A literal, where all parts are.
    fn settled(self) -> Node {
        let literal = |node: &Node| matches!(node, Node::Literal(_));
        let value = |node: Node| match node {
            Node::Literal(value) => value,
            _ => Value::Null,
        };
        match self {
            Node::List(list) if list.iter().all(literal) => Node::Literal(list.into_iter().map(value).collect()),
            Node::Object(map) if map.iter().all(|(_, node)| literal(node)) => {
                Node::Literal(Value::Object(map.into_iter().map(|(key, node)| (key, value(node))).collect()))
            }
            other => other,
        }
    }

    fn collect<'a>(&'a self, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Expression)>) {
        match self {
            Node::Literal(_) => {}
            Node::Value(expression) => found.push((path.clone(), expression)),
            Node::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Value(expression) => Some((path.clone(), expression)),
                Piece::Text(_) => None,
            })),
            Node::List(list) => {
                for (i, node) in list.iter().enumerate() {
                    path.push(i.to_string());
                    node.collect(path, found);
                    path.pop();
                }
            }
            Node::Object(map) => {
                for (key, node) in map {
                    path.push(key.clone());
                    node.collect(path, found);
                    path.pop();
                }
            }
        }
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        Ok(match self {
            Node::Literal(value) => value.clone(),
            Node::Value(expression) => expression.evaluate(scope)?,
            Node::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Value(expression) => match expression.evaluate(scope)? {
                            Value::String(value) => text.push_str(&value),
                            Value::Null => {}
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
            Node::List(list) => list.iter().map(|node| node.evaluate(scope)).collect::<Result<_, _>>()?,
            Node::Object(map) => Value::Object(
                map.iter().map(|(key, node)| Ok((key.clone(), node.evaluate(scope)?))).collect::<Result<_, _>>()?,
            ),
        })
    }
}

impl ExpressionError {
    fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}

#[derive(Debug, PartialEq)]
enum Part<'a> {
    Text(String),
    /// The text between the braces, and where it begins, in characters.
    Expression {
        source: &'a str,
        offset: usize,
    },
}

/// Splits a text at its expressions. Braces and quotes within an expression are respected.
fn split(text: &str) -> Result<Vec<Part<'_>>, ExpressionError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        if rest[..start].ends_with('$') {
            plain.push_str(&rest[..start - 1]);
            plain.push_str("${{");
            rest = &rest[start + 3..];
            continue;
        }
        plain.push_str(&rest[..start]);
        let inner = &rest[start + 3..];
        let offset = text.len() - inner.len();
        let offset = text[..offset].chars().count();
        let Some(end) = closing(inner) else {
            return Err(ExpressionError {
                message: "an expression is not closed; write `}}` behind it, or `$${{` for the text `${{`".into(),
                offset: offset - 3,
            });
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Expression { source: &inner[..end], offset });
        rest = &inner[end + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Where the `}}` is that closes an expression.
fn closing(inner: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') => return inner[at + 1..].starts_with('}').then_some(at),
            (None, _) => {}
        }
    }
    None
}
