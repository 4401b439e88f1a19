//! [`Template`]: a JSON value with expressions in its texts.
//!
//! Parsing walks the value once, goes on after an error so that all are told, and turns what holds no expression back into
//! a literal. Evaluating walks what is left, each expression in its place.

use super::parts::{Part, split};
use super::{EvaluationError, Expression, ExpressionError, Scope};
use serde_json::{Map, Value};

/// A JSON value with expressions in its texts.
#[derive(Debug, Clone)]
pub struct Template(Node);

/// An error in a template, with the way to it: keys and numbers from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The way to the text.
    pub path: Vec<String>,
    /// The error in it.
    pub error: ExpressionError,
}

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
