//! One CEL expression: parsed and checked once, evaluated often, within bounds.
//!
//! The `cel` crate parses and evaluates; this module makes that safe for hostile expressions and hostile data:
//!
//! - **Before parsing** length, nesting and the number of operators are bounded, because parser and evaluator recurse.
//! - **While checking** the tree is rewritten. Each path into the scope (`tasks.plan.chunks`) becomes a variable of its own,
//!   so that only what is used gets converted; an expression that is nothing but a path needs no evaluator at all. Loops
//!   go through `@each`, operations that read whole values through `@touch`, those that make new ones through `@keep`.
//! - **While evaluating** these three count into a [`Meter`] and stop the evaluation when a bound is passed. `@each` also
//!   walks maps in the order of their keys, so that evaluation is a function of its input.
//!
//! What is *not* bounded is wall time as such: this crate has no clock. The meter bounds what is read, and so the time.

use super::convert::{to_cel, to_json};
use super::expr::{ExpressionError, Scope};
use super::meter::Meter;
use super::path::{Path, Root, Step};
use crate::id::Name;
use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::context::Context;
use cel::{Env, ExecutionError};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// The longest expression in bytes.
const MAX_LENGTH: usize = 4096;
/// The deepest nesting of brackets.
const MAX_BRACKETS: usize = 12;
/// The most operators, separators and brackets.
const MAX_SIGNS: usize = 60;
/// The deepest tree. Chains such as `a + b + c` are deep trees too, and each level costs the evaluator some stack.
const MAX_DEPTH: usize = 32;

/// What an expression may call beside operators and the macros `has`, `all`, `exists`, `exists_one`, `map`, `filter`.
const FUNCTIONS: [&str; 9] = ["size", "contains", "startsWith", "endsWith", "string", "int", "uint", "double", "bool"];

const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];

/// Operators that cost the same for all values.
const CHEAP: [&str; 12] = [
    op::CONDITIONAL,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::SUBSTRACT,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    op::NEGATE,
    op::INDEX,
    op::NOT_STRICTLY_FALSE,
    op::OPT_INDEX,
];

/// Operators that read their operands.
const LINEAR: [&str; 8] =
    [op::EQUALS, op::NOT_EQUALS, op::LESS, op::LESS_EQUALS, op::GREATER, op::GREATER_EQUALS, op::IN, op::ADD];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A checked expression.
#[derive(Debug)]
pub(super) struct Program {
    /// The rewritten tree.
    tree: IdedExpr,
    /// The paths into the scope, each bound as `@INDEX`.
    pub(super) paths: Vec<Path>,
    /// Whether the whole expression is the first path.
    is_path: bool,
}

impl Program {
    /// Parses and checks `source`.
    pub(super) fn compile(source: &str) -> Result<Self, ExpressionError> {
        guard(source)?;
        let mut tree = cel::parser::Parser::new()
            .max_recursion_depth(64)
            .parse(source)
            .map_err(|errors| syntax_error(source, &errors))?;
        let mut rewrite = Rewrite { source, paths: Vec::new(), bound: Vec::new() };
        rewrite.visit(&mut tree, 0)?;
        let is_path = matches!(&tree.expr, Expr::Ident(name) if name == "@0");
        Ok(Self { tree, paths: rewrite.paths, is_path })
    }

    /// Evaluates it. The error is the reason, in words.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        if self.is_path {
            return match self.paths.first() {
                Some(path) => path.resolve(scope).map(std::borrow::Cow::into_owned),
                None => Ok(Value::Null),
            };
        }
        let resolved: Vec<_> = self.paths.iter().map(|path| path.resolve(scope)).collect();
        let meter = Arc::new(Meter::default());
        let mut context = Context::with_env(Arc::clone(&ENV));
        meter.install(&mut context)?;
        let mut weight = 0;
        for (i, value) in resolved.iter().enumerate() {
            if let Ok(value) = value {
                context.add_variable_as_val(format!("@{i}"), to_cel(value, &mut weight)?);
            }
        }
        let result = cel::Value::resolve_val(&self.tree, &context);
        if meter.is_exceeded() {
            return Err("it takes too much computing or memory; let an agent do this work".into());
        }
        let result = result.map_err(|error| self.reason(&error, &resolved))?;
        to_json(result.as_ref())
    }

    /// An evaluation error in words. A path that leads nowhere shows as an unknown variable.
    fn reason(&self, error: &ExecutionError, resolved: &[Result<std::borrow::Cow<'_, Value>, String>]) -> String {
        if let ExecutionError::UndeclaredReference(name) = error {
            let index = name.strip_prefix('@').and_then(|digits| digits.parse::<usize>().ok());
            if let Some(Err(reason)) = index.and_then(|i| resolved.get(i)) {
                return reason.clone();
            }
        }
        match error {
            ExecutionError::NoSuchKey(key) => format!("there is no field `{}`", short(key)),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".into(),
            ExecutionError::Overflow(..) => "a number gets too large".into(),
            ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".into(),
            ExecutionError::DuplicateKey(_) => "a map has a key twice".into(),
            ExecutionError::NoSuchOverload(overload) => {
                let name = overload.function().replace('_', "");
                format!("`{name}` does not go with {}", short(&overload.argument_types().join(" and ")))
            }
            other => short(&other.to_string()),
        }
    }
}

/// Bounds what the parser sees, whose depth of recursion depends on it.
fn guard(source: &str) -> Result<(), ExpressionError> {
    let error = |message: String| ExpressionError { message, offset: 0 };
    if source.trim().is_empty() {
        return Err(error("an expression is empty".into()));
    }
    if source.len() > MAX_LENGTH {
        return Err(error(format!("an expression has {} bytes, more than {MAX_LENGTH}", source.len())));
    }
    // Texts within quotes count as well: what is a quote and what is not is for the parser to tell, and a guard that is
    // of another opinion can be slipped by.
    let (mut depth, mut deepest, mut signs) = (0_usize, 0, 0);
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        signs += usize::from(c.is_ascii_punctuation() && c != '_');
    }
    if deepest > MAX_BRACKETS || signs > MAX_SIGNS {
        return Err(error(format!(
            "an expression is too complex: at most {MAX_BRACKETS} brackets within each other and {MAX_SIGNS} signs; let an agent do this work"
        )));
    }
    Ok(())
}

fn syntax_error(source: &str, errors: &cel::ParseErrors) -> ExpressionError {
    let Some(first) = errors.errors.first() else {
        return ExpressionError { message: "an expression does not parse".into(), offset: 0 };
    };
    // Lines and columns count from 1 there, and characters.
    let (line, column) = (usize::try_from(first.pos.0).unwrap_or(1), usize::try_from(first.pos.1).unwrap_or(1));
    let before: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(|l| l.chars().count()).sum();
    let message = match first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg).trim() {
        "" | "UNKNOWN" => String::new(),
        found => format!(": {}", short(found)),
    };
    ExpressionError {
        message: format!(
            "an expression does not parse{message}; expressions are written like `tasks.plan.chunks` or `size(item) > 0`"
        ),
        offset: before + column.saturating_sub(1),
    }
}

/// At most 200 characters of `text`, on one line.
fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Checks the tree and puts the metering in.
struct Rewrite<'a> {
    source: &'a str,
    paths: Vec<Path>,
    /// Variables of the loops around.
    bound: Vec<String>,
}

impl Rewrite<'_> {
    fn error<T>(&self, message: String, at: &str) -> Result<T, ExpressionError> {
        let offset = self.source.find(at).map_or(0, |bytes| self.source[..bytes].chars().count());
        Err(ExpressionError { message, offset })
    }

    fn visit(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        if depth > MAX_DEPTH {
            return self.error("an expression is too complex; let an agent do this work".into(), "");
        }
        if let Some(path) = self.path(node)? {
            let index = self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                self.paths.push(path);
                self.paths.len() - 1
            });
            node.expr = Expr::Ident(format!("@{index}"));
            return Ok(());
        }
        match &mut node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if self.bound.contains(name) || name == "@result" => Ok(()),
            Expr::Ident(name) => {
                let name = name.clone();
                self.unknown_variable(&name)
            }
            Expr::Select(select) => self.visit(&mut select.operand, depth + 1),
            Expr::List(list) => {
                if !list.optional_indices.is_empty() {
                    return self.error("optional elements are not supported".into(), "?");
                }
                list.elements.iter_mut().try_for_each(|element| self.visit_kept(element, depth))
            }
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) if !entry.optional => {
                    self.visit_kept(&mut entry.key, depth)?;
                    self.visit_kept(&mut entry.value, depth)
                }
                _ => self.error("optional entries are not supported".into(), "?"),
            }),
            Expr::Comprehension(c) => {
                if c.iter_var2.is_some() {
                    return self.error("loops with two variables are not supported".into(), "");
                }
                self.visit(&mut c.iter_range, depth + 1)?;
                wrap(&mut c.iter_range, "@each");
                self.visit(&mut c.accu_init, depth + 1)?;
                self.bound.push(c.iter_var.clone());
                let inner = [&mut c.loop_cond, &mut c.loop_step, &mut c.result]
                    .into_iter()
                    .try_for_each(|part| self.visit(part, depth + 1));
                self.bound.pop();
                inner
            }
            Expr::Call(call) => {
                let accumulates =
                    matches!(call.args.first(), Some(IdedExpr { expr: Expr::Ident(n), .. }) if n == "@result");
                self.visit_call(call, depth)?;
                if call.func_name == op::ADD && !accumulates {
                    wrap(node, "@keep");
                }
                Ok(())
            }
            Expr::Struct(_) | Expr::Unspecified => self.error("messages of other types are not supported".into(), "{"),
        }
    }

    fn visit_kept(&mut self, node: &mut IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        self.visit(node, depth + 1)?;
        if !matches!(node.expr, Expr::Literal(_)) {
            wrap(node, "@keep");
        }
        Ok(())
    }

    fn visit_call(&mut self, call: &mut CallExpr, depth: usize) -> Result<(), ExpressionError> {
        let name = call.func_name.as_str();
        let is_operator = call.target.is_none() && (CHEAP.contains(&name) || LINEAR.contains(&name));
        if !is_operator && !FUNCTIONS.contains(&name) {
            return match super::near::nearest(name, FUNCTIONS.into_iter().chain(MACROS)) {
                Some(near) if near != name => {
                    self.error(format!("there is no function `{name}`; did you mean `{near}`?"), name)
                }
                Some(_) => self.error(format!("`{name}` is called in a way that does not exist"), name),
                None => self.error(
                    format!(
                        "there is no function `{}`; there are {}, {}",
                        short(name),
                        FUNCTIONS.join(", "),
                        MACROS.join(", ")
                    ),
                    name,
                ),
            };
        }
        let reads = !CHEAP.contains(&name);
        for operand in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            self.visit(operand, depth + 1)?;
            let is_accumulator = matches!(&operand.expr, Expr::Ident(name) if name == "@result");
            if reads && !is_accumulator && !matches!(operand.expr, Expr::Literal(_) | Expr::List(_)) {
                wrap(operand, "@touch");
            }
        }
        Ok(())
    }

    /// The path that `node` is, where it is one: a variable of the scope, then fields and constant indices.
    fn path(&self, node: &IdedExpr) -> Result<Option<Path>, ExpressionError> {
        let mut steps = Vec::new();
        let mut node = node;
        let root = loop {
            match &node.expr {
                Expr::Select(select) if !select.test => {
                    steps.push(Step::Field(select.field.clone()));
                    node = &select.operand;
                }
                Expr::Call(call) if call.func_name == op::INDEX && call.target.is_none() => {
                    let [operand, IdedExpr { expr: Expr::Literal(index), .. }] = call.args.as_slice() else {
                        return Ok(None);
                    };
                    steps.push(match index {
                        LiteralValue::String(field) => Step::Field(field.inner().to_owned()),
                        LiteralValue::Int(index) => match usize::try_from(*index.inner()) {
                            Ok(index) => Step::Index(index),
                            Err(_) => return Ok(None),
                        },
                        _ => return Ok(None),
                    });
                    node = operand;
                }
                Expr::Ident(name) if self.bound.contains(name) => return Ok(None),
                Expr::Ident(name) => break name.as_str(),
                _ => return Ok(None),
            }
        };
        steps.reverse();
        let root = match root {
            "inputs" => Root::Inputs,
            "item" => Root::Item,
            "index" => Root::Index,
            "run" => Root::Run,
            "tasks" => {
                let Some(Step::Field(field)) = steps.first() else {
                    return self
                        .error("`tasks` is followed by the name of a task, as in `tasks.plan.chunks`".into(), "tasks");
                };
                let name = Name::new(field.clone())
                    .map_err(|error| self.error::<()>(error.to_string(), field).err().unwrap_or_default())?;
                steps.remove(0);
                Root::Task(name)
            }
            _ => return Ok(None),
        };
        Ok(Some(Path { root, steps }))
    }

    fn unknown_variable(&self, name: &str) -> Result<(), ExpressionError> {
        const KNOWN: [&str; 5] = ["inputs", "tasks", "item", "index", "run"];
        let shown = short(name);
        let hint = match super::near::nearest(name, KNOWN.into_iter().chain(self.bound.iter().map(String::as_str))) {
            Some(near) => format!("did you mean `{near}`?"),
            // `tasks.run-tests` reads as a subtraction.
            None if self.source.contains(&format!("-{name}")) => {
                "a name with `-` in it is written in brackets, as in `tasks[\"run-tests\"]`".into()
            }
            None => format!("there are {}", KNOWN.join(", ")),
        };
        self.error(format!("there is no variable `{shown}`; {hint}"), name)
    }
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(node);
    let id = inner.id;
    *node =
        IdedExpr { id, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] }) };
}
