//! What the two ways to ask have in common: an answer that comes piece by piece.

use super::fault::Fault;
use longhaul_core::model::{Finish, ToolCall};
use longhaul_core::units::Tokens;
use serde_json::Value;

/// The most bytes of an answer's text, and of all arguments of its tool calls.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// The most bytes of an answer that comes in one piece.
pub(super) const MAX_WHOLE: usize = 8 << 20;
/// The most tool calls of one answer.
pub(super) const MAX_CALLS: usize = 128;

/// An answer under way.
pub(super) trait Talk: Send {
    /// Takes a piece; gives what it adds to the text.
    fn hear(&mut self, event: &Value) -> Result<String, Fault>;

    /// The stream is at its end.
    fn end(&mut self) -> Result<Heard, Fault>;

    /// Takes an answer that came in one piece.
    fn whole(&mut self, answer: &Value) -> Result<Heard, Fault>;

    /// The text so far.
    fn so_far(&self) -> String;
}

/// An answer that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) finish: Finish,
    /// Tokens read and written, where the provider counts.
    pub(super) usage: Option<(Tokens, Tokens)>,
    /// The model that answered, as the provider calls it.
    pub(super) model: Option<String>,
}

/// The text at a place; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Adds to a text that has a bound.
pub(super) fn add(to: &mut String, more: &str) -> Result<(), Fault> {
    if to.len().saturating_add(more.len()) > MAX_TEXT {
        return Err(Fault::TooLong);
    }
    to.push_str(more);
    Ok(())
}

/// Whether a schema leaves nothing open, which is what providers ask for that can keep to one exactly: each object has all of its
/// fields and no others.
pub(super) fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Array(list) => list.iter().all(is_closed),
        Value::Object(fields) => {
            let closed = match fields.get("properties") {
                Some(Value::Object(properties)) => {
                    let required = fields.get("required").and_then(Value::as_array);
                    fields.get("additionalProperties") == Some(&Value::Bool(false))
                        && required.is_some_and(|all| properties.keys().all(|name| all.iter().any(|one| one == name)))
                }
                _ => fields.get("type").is_none_or(|kind| kind != "object"),
            };
            closed && fields.iter().all(|(name, value)| name == "required" || name == "enum" || is_closed(value))
        }
        _ => true,
    }
}
