//! A path into what an expression can see, as in `tasks.plan.chunks[0].files`.

use super::expr::Scope;
use super::near::known;
use crate::id::Name;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The inputs of the run.
    Inputs,
    /// The result of a task.
    Task(Name),
    /// The element of a `for_each`.
    Item,
    /// The number of that element, from 0 on.
    Index,
    /// Facts about the run.
    Run,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(String),
    /// To an element of a list.
    Index(usize),
}

/// A path, see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it begins.
    pub root: Root,
    /// How it goes on.
    pub steps: Vec<Step>,
}

impl Path {
    /// The value there. The error is the reason in words.
    pub(super) fn resolve<'a>(&self, scope: &Scope<'a>) -> Result<Cow<'a, Value>, String> {
        let mut steps = self.steps.as_slice();
        let mut value: Cow<'a, Value> = match &self.root {
            Root::Inputs => match steps.split_first() {
                Some((Step::Field(name), rest)) => {
                    steps = rest;
                    Cow::Borrowed(scope.inputs.get(name).ok_or_else(|| {
                        format!("there is no input `{name}`; {}", known("inputs", scope.inputs.keys()))
                    })?)
                }
                _ => Cow::Owned(Value::Object(scope.inputs.clone())),
            },
            Root::Task(name) => {
                let result = scope.tasks.get(name).ok_or_else(|| format!("the task `{name}` has not ended yet"))?;
                match steps.split_first() {
                    Some((Step::Field(field), rest)) if field == "status" => {
                        steps = rest;
                        Cow::Owned(Value::String(result.status.to_string()))
                    }
                    Some(_) => Cow::Borrowed(&result.output),
                    None => {
                        let mut whole = result.output.as_object().cloned().unwrap_or_default();
                        whole.insert("status".into(), Value::String(result.status.to_string()));
                        Cow::Owned(Value::Object(whole))
                    }
                }
            }
            Root::Item => Cow::Borrowed(scope.item.ok_or("there is no `item`, because the task has no `for_each`")?.0),
            Root::Index => {
                Cow::Owned(scope.item.ok_or("there is no `index`, because the task has no `for_each`")?.1.into())
            }
            Root::Run => Cow::Borrowed(scope.run),
        };
        let done = self.steps.len() - steps.len();
        for (i, step) in steps.iter().enumerate() {
            let next = match (&value, step) {
                (Cow::Borrowed(value), step) => step.of(value).map(Cow::Borrowed),
                (Cow::Owned(value), step) => step.of(value).cloned().map(Cow::Owned),
            };
            value = next.ok_or_else(|| {
                let so_far = Path { root: self.root.clone(), steps: self.steps[..done + i].to_vec() };
                format!("`{so_far}` {}", lacks(&value, step))
            })?;
        }
        Ok(value)
    }
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Step::Field(name) => value.as_object()?.get(name),
            Step::Index(index) => value.as_array()?.get(*index),
        }
    }
}

fn lacks(value: &Value, step: &Step) -> String {
    match (value, step) {
        (Value::Object(map), Step::Field(name)) => format!("has no field `{name}`; {}", known("fields", map.keys())),
        (Value::Array(list), Step::Index(_)) => format!("has only {} elements", list.len()),
        (other, Step::Field(name)) => format!("is {}, so it has no field `{name}`", kind(other)),
        (other, Step::Index(_)) => format!("is {}, so it has no elements by number", kind(other)),
    }
}

/// What kind of value it is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let field = |f: &mut fmt::Formatter<'_>, name: &str| match plain(name) {
            true => write!(f, ".{name}"),
            false => write!(f, "[{name:?}]"),
        };
        match &self.root {
            Root::Inputs => f.write_str("inputs")?,
            Root::Item => f.write_str("item")?,
            Root::Index => f.write_str("index")?,
            Root::Run => f.write_str("run")?,
            Root::Task(name) => {
                f.write_str("tasks")?;
                field(f, name.as_str())?;
            }
        }
        for step in &self.steps {
            match step {
                Step::Field(name) => field(f, name)?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
