//! The form of an answer: whether it is the JSON that was asked for.
//!
//! A schema comes from a plugin, and to check against one can take for ever: references can go in circles, and a few lines of them can
//! stand for millions. So only schemas are taken that stay small when each reference is replaced by what it refers to.

use jsonschema::{PatternOptions, Validator};
use longhaul_core::model::{ChatAnswer, Format};
use serde_json::Value;

/// The most values that a schema may have when its references are replaced.
const MAX_UNFOLDED: usize = 20_000;
/// The most bytes of a JSON answer.
const MAX_ANSWER: usize = 1 << 20;
/// The most bytes of a compiled pattern.
const MAX_PATTERN: usize = 256 << 10;
/// Keywords that refer to elsewhere in ways that are not followed here.
const NOT_FOLLOWED: [&str; 6] =
    ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$anchor", "$id"];

/// The form of an answer.
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// A JSON object.
    Object,
    /// JSON that fits a schema.
    Schema(Box<Validator>),
}

impl Shape {
    /// The form that is asked for; the error says why it cannot be.
    pub(crate) fn of(format: &Format) -> Result<Self, String> {
        match format {
            Format::Text => Ok(Shape::Text),
            Format::JsonObject => Ok(Shape::Object),
            Format::JsonSchema(schema) => {
                let mut room = MAX_UNFOLDED;
                unfold(schema, schema, &mut Vec::new(), &mut room, 0)?;
                let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
                let built = jsonschema::options().with_pattern_options(patterns).build(schema);
                built.map(Box::new).map(Shape::Schema).map_err(|error| {
                    format!("`format` is a JSON Schema that cannot be used: {}", short(&error.to_string()))
                })
            }
        }
    }

    /// Whether the answer has this form; the error says what is wrong with it. An answer that only asks for tools has no form.
    pub(crate) fn check(&self, answer: &ChatAnswer) -> Result<(), String> {
        if matches!(self, Shape::Text) || (answer.text.is_empty() && !answer.tool_calls.is_empty()) {
            return Ok(());
        }
        if answer.text.len() > MAX_ANSWER {
            return Err(format!("the model's answer has {} bytes, and JSON may have {MAX_ANSWER}", answer.text.len()));
        }
        let value: Value = serde_json::from_str(&answer.text)
            .map_err(|error| format!("the model's answer is not the JSON that was asked for: {error}"))?;
        match self {
            Shape::Schema(validator) => validator.validate(&value).map_err(|error| {
                let at = error.instance_path().to_string();
                let at = if at.is_empty() { String::new() } else { format!(" at `{}`", short(&at)) };
                format!("the model's answer does not fit the schema{at}: {}", short(&error.to_string()))
            }),
            _ if value.is_object() => Ok(()),
            _ => Err("the model's answer is JSON, and not the object that was asked for".to_owned()),
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

/// How deep a schema may be, references replaced: each level takes room on the stack, here and wherever the schema is used.
const MAX_DEPTH: usize = 256;

/// Counts the values of a schema, each reference as what it refers to. `open` are the references under way.
fn unfold<'s>(
    schema: &'s Value,
    root: &'s Value,
    open: &mut Vec<&'s str>,
    room: &mut usize,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!(
            "`format` is a JSON Schema of more than {MAX_DEPTH} levels when its references are replaced; ask for less"
        ));
    }
    *room = room.checked_sub(1).ok_or_else(|| {
        format!("`format` is a JSON Schema of more than {MAX_UNFOLDED} values when its references are replaced; ask for less")
    })?;
    match schema {
        Value::Array(list) => list.iter().try_for_each(|one| unfold(one, root, open, room, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| match (name.as_str(), value) {
            ("$ref", Value::String(target)) => {
                if open.contains(&target.as_str()) {
                    return Err(format!(
                        "`format` is a JSON Schema whose `{}` refers to itself; ask for less",
                        short(target)
                    ));
                }
                let to = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                let to = to.ok_or_else(|| {
                    format!("`format` is a JSON Schema that refers to `{}`, which is not in it", short(target))
                })?;
                open.push(target);
                let counted = unfold(to, root, open, room, depth + 1);
                open.pop();
                counted
            }
            (name, Value::String(_)) if NOT_FOLLOWED.contains(&name) => {
                Err(format!("`format` is a JSON Schema with `{name}`; refer by `$ref` to `#/$defs/…` alone"))
            }
            (_, value) => unfold(value, root, open, room, depth + 1),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::model::Finish;
    use longhaul_core::units::Tokens;
    use serde_json::json;

    fn answer(text: &str) -> ChatAnswer {
        ChatAnswer {
            text: text.to_owned(),
            tool_calls: Vec::new(),
            finish: Finish::Stop,
            input: Tokens(0),
            output: Tokens(0),
            window: Tokens(0),
            model: String::new(),
        }
    }

    fn check(schema: Value, text: &str) -> Result<(), String> {
        Shape::of(&Format::JsonSchema(schema))?.check(&answer(text))
    }

    #[test]
    fn an_answer_has_to_be_the_json_that_was_asked_for() {
        let schema = json!({
            "$defs": { "kind": { "enum": ["read", "write"] } },
            "type": "object", "required": ["kind"], "additionalProperties": false,
            "properties": { "kind": { "$ref": "#/$defs/kind" }, "path": { "type": "string", "pattern": "^[a-z/.]+$" } },
        });
        assert_eq!(check(schema.clone(), r#"{"kind": "read", "path": "src/a.rs"}"#), Ok(()));
        for (text, told) in [
            ("Sure! {}", "not the JSON"),
            ("{}", "\"kind\" is a required property"),
            (r#"{"kind": "burn"}"#, "at `/kind`"),
            (r#"{"kind": "read", "path": "A"}"#, "at `/path`"),
            (r#"{"kind": "read", "more": 1}"#, "more"),
        ] {
            let error = check(schema.clone(), text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(Shape::Object.check(&answer("[1]")).unwrap_err().contains("not the object"));
        assert_eq!(Shape::Object.check(&answer("{}")), Ok(()));
        assert_eq!(Shape::Text.check(&answer("anything")), Ok(()));
    }

    #[test]
    fn a_schema_that_could_take_for_ever_is_refused_before_anybody_is_asked() {
        let level = |n: usize| json!({ "anyOf": [{ "$ref": format!("#/$defs/{}", n + 1) }, { "$ref": format!("#/$defs/{}", n + 1) }] });
        let mut levels: serde_json::Map<String, Value> = (0..40).map(|n| (n.to_string(), level(n))).collect();
        levels.insert("40".to_owned(), json!({ "type": "string" }));
        let link = |n: usize| (n.to_string(), json!({ "$ref": format!("#/$defs/{}", n + 1) }));
        let chain: serde_json::Map<String, Value> = (0..19_000).map(link).collect();
        for (schema, told) in [
            (json!({ "$defs": chain, "$ref": "#/$defs/0" }), "levels"),
            (json!({ "$defs": levels, "$ref": "#/$defs/0" }), "more than 20000 values"),
            (json!({ "$ref": "#" }), "refers to itself"),
            (
                json!({ "$defs": { "a": { "items": { "$ref": "#/$defs/a" } } }, "$ref": "#/$defs/a" }),
                "refers to itself",
            ),
            (json!({ "$ref": "https://example.org/schema" }), "which is not in it"),
            (json!({ "$dynamicRef": "#a" }), "$dynamicRef"),
            (json!({ "type": 5 }), "cannot be used"),
            (json!({ "pattern": "(a{1000}){1000}" }), "cannot be used"),
            (json!({ "pattern": "(" }), "cannot be used"),
        ] {
            let error = Shape::of(&Format::JsonSchema(schema)).err().unwrap();
            assert!(error.contains(told), "{error}");
        }
    }
}
