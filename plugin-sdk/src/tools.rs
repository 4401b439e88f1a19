//! Tools that a model may call: ordinary functions with one struct of arguments each.
//!
//! The struct says everything: its doc comment is what the model reads about the tool, and its JSON Schema, with the doc
//! comments of the fields, what it may pass. Arguments come from a model, so they are checked before the function sees
//! them; what does not fit is told to the model.
//!
//! ```
//! use longhaul_sdk::{ToolError, Tools, files};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// Counts the lines of a file.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct CountLines {
//!     /// Its path
//!     path: String,
//! }
//!
//! fn count_lines(seen: &mut Vec<String>, arguments: CountLines) -> Result<String, ToolError> {
//!     let content = files::read(&arguments.path)?;
//!     seen.push(arguments.path);
//!     Ok(format!("{} lines", content.split(|byte| *byte == b'\n').count()))
//! }
//!
//! let tools: Tools<Vec<String>> = Tools::new().with("count_lines", count_lines);
//! ```

use std::io;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Failure, conversation::schema_of, decode::decode, model::Tool};

/// The tools of one agent. `S` is what they share: the agent's state.
pub struct Tools<S> {
    offers: Vec<Tool>,
    entries: Vec<Entry<S>>,
}

struct Entry<S> {
    ends: bool,
    function: Function<S>,
}

type Function<S> = Box<dyn Fn(&mut S, &str) -> Result<String, ToolError>>;

/// Why a tool did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolError {
    /// The model is told, and the work goes on.
    Refused(String),
    /// The attempt ends.
    Ends(Failure),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) content: Result<String, String>,
    /// Whether the work is done by it.
    pub(crate) ends: bool,
}

impl<S> Default for Tools<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Tools<S> {
    /// No tools yet.
    pub fn new() -> Self {
        Self { offers: Vec::new(), entries: Vec::new() }
    }

    /// Adds a tool. Its name has letters, digits, `_` and `-`, at most 64; a second one of the same name is never called.
    #[must_use]
    pub fn with<A, F>(self, name: &str, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(&mut S, A) -> Result<String, ToolError> + 'static,
    {
        self.add(name, false, function)
    }

    /// Adds the tool by which the model says that the work is done: when it succeeds the loop ends.
    #[must_use]
    pub fn ending_with<A, F>(self, name: &str, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(&mut S, A) -> Result<String, ToolError> + 'static,
    {
        self.add(name, true, function)
    }

    /// The same tools for an agent whose state has what they share as a part.
    #[must_use]
    pub fn sharing<T>(self, part: fn(&mut T) -> &mut S) -> Tools<T>
    where
        S: 'static,
        T: 'static,
    {
        let entries = self.entries.into_iter().map(|Entry { ends, function }| Entry {
            ends,
            function: Box::new(move |whole: &mut T, arguments: &str| function(part(whole), arguments)) as Function<T>,
        });
        Tools { entries: entries.collect(), offers: self.offers }
    }

    fn add<A, F>(mut self, name: &str, ends: bool, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(&mut S, A) -> Result<String, ToolError> + 'static,
    {
        let (description, parameters) = described(&schema_of::<A>());
        self.offers.push(Tool { name: name.to_owned(), description, parameters });
        let function: Function<S> = Box::new(move |shared, arguments| {
            // Without arguments some models write nothing at all.
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
            function(shared, decode("the arguments", arguments)?)
        });
        self.entries.push(Entry { ends, function });
        self
    }

    /// What the model is told about them.
    pub fn offers(&self) -> &[Tool] {
        &self.offers
    }

    /// The tool that ends the work.
    pub(crate) fn ending(&self) -> Option<&str> {
        self.entries.iter().position(|entry| entry.ends).map(|index| self.offers[index].name.as_str())
    }

    /// Calls a tool.
    pub(crate) fn call(&self, shared: &mut S, name: &str, arguments: &str) -> Result<Called, Failure> {
        let Some(index) = self.offers.iter().position(|offer| offer.name == name) else {
            let names: Vec<&str> = self.offers.iter().map(|offer| offer.name.as_str()).collect();
            let content = Err(format!("there is no tool `{name}`; there are {}", names.join(", ")));
            return Ok(Called { content, ends: false });
        };
        let Entry { ends, function } = &self.entries[index];
        match function(shared, arguments) {
            Ok(content) => Ok(Called { content: Ok(content), ends: *ends }),
            Err(ToolError::Refused(reason)) => Ok(Called { content: Err(reason), ends: false }),
            Err(ToolError::Ends(failure)) => Err(failure),
        }
    }
}

/// The description of a schema, and the schema without it.
fn described(schema: &str) -> (String, String) {
    let mut schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let mut description = Value::Null;
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
        description = fields.remove("description").unwrap_or_default();
        // A struct without fields has no list of them, and some services insist on one.
        fields.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    (description.as_str().unwrap_or_default().to_owned(), schema.to_string())
}

impl From<String> for ToolError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl From<&str> for ToolError {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<Failure> for ToolError {
    fn from(failure: Failure) -> Self {
        Self::Ends(failure)
    }
}

impl From<Error> for ToolError {
    /// The model can work around what is denied or failed; nobody can go on in a run that is being cancelled.
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Self::Ends(error.into()),
            error => Self::Refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Empty;

    /// Adds a number.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Add {
        /// The number
        number: u32,
    }

    fn tools() -> Tools<u32> {
        Tools::new()
            .with("add", |sum: &mut u32, add: Add| {
                *sum = sum.checked_add(add.number).ok_or("the sum is too large")?;
                Ok(sum.to_string())
            })
            .ending_with("done", |sum: &mut u32, _: Empty| match sum {
                0 => Err("nothing was added yet".into()),
                _ => Ok("good".to_owned()),
            })
            .with("stop", |_: &mut u32, _: Empty| Err(Error::Cancelled.into()))
    }

    #[test]
    fn the_struct_says_what_the_model_is_told() {
        let tools = tools();
        let add = &tools.offers()[0];
        assert_eq!((add.name.as_str(), add.description.as_str()), ("add", "Adds a number."));
        let schema: Value = serde_json::from_str(&add.parameters).unwrap();
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["required"], serde_json::json!(["number"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["number"]["description"], "The number");
        assert!(tools.offers()[1].parameters.contains("\"properties\":{}"), "{}", tools.offers()[1].parameters);
        assert_eq!(tools.ending(), Some("done"));
    }

    #[test]
    fn arguments_that_do_not_fit_are_told_with_the_field_and_never_reach_the_function() {
        let (tools, mut sum) = (tools(), 0);
        for (arguments, wanted) in [
            (r#"{"number":"3"}"#, "field `number`: invalid type: string"),
            (r#"{"number":-3}"#, "field `number`"),
            (r#"{"number":3,"to":4}"#, "unknown field `to`"),
            ("{}", "missing field `number`"),
            ("", "missing field `number`"),
            ("{\"number\":", "EOF"),
            (r#"{"number":3} and more"#, "trailing"),
            ("null", "invalid type"),
        ] {
            let called = tools.call(&mut sum, "add", arguments).unwrap();
            let reason = called.content.unwrap_err();
            assert!(reason.contains(wanted), "{arguments}: {reason}");
        }
        assert_eq!(sum, 0);
        assert_eq!(tools.call(&mut sum, "add", r#"{"number":3}"#).unwrap().content.unwrap(), "3");
    }

    #[test]
    fn a_tool_that_is_not_there_is_told_with_those_that_are_and_a_cancelled_run_ends() {
        let (tools, mut sum) = (tools(), 0);
        let called = tools.call(&mut sum, "subtract", "{}").unwrap();
        assert_eq!(called.content.unwrap_err(), "there is no tool `subtract`; there are add, done, stop");
        assert!(!tools.call(&mut sum, "done", "").unwrap().ends, "a refused end is no end");
        tools.call(&mut sum, "add", r#"{"number":1}"#).unwrap();
        assert!(tools.call(&mut sum, "done", "").unwrap().ends);
        assert!(tools.call(&mut sum, "stop", "").is_err());
    }
}
