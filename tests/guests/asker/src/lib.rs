//! A test guest that does what its input says: asks models in one conversation, asks the web, reads attachments, waits, writes down what it was told.
#![cfg(target_arch = "wasm32")]

use longhaul_sdk::http;
use longhaul_sdk::model::{Format, Image, Message, Part, Request, Response, Role, Tool, ToolCall, ToolResult};
use longhaul_sdk::{Agent, Attachment, Empty, Error, Failure, Task, attachment, context, model};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

struct Asker;

/// What to do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// One after the other.
    pub steps: Vec<Step>,
    /// Whether an error ends the task.
    #[serde(default)]
    pub strict: bool,
}

/// One thing to do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// Say this to the model, and listen. Tools that it asks for are answered by what they were asked.
    Chat {
        /// As a user.
        say: String,
        /// As instructions, before.
        #[serde(default)]
        system: Option<String>,
        /// The model.
        #[serde(default)]
        model: Option<String>,
        /// Tools on offer, by name.
        #[serde(default)]
        tools: Vec<String>,
        /// A JSON Schema of the answer.
        #[serde(default)]
        schema: Option<Value>,
        /// A PNG file to show.
        #[serde(default)]
        image: Option<String>,
    },
    /// Ask the web.
    Fetch {
        /// The address.
        url: String,
        /// The method.
        #[serde(default = "get")]
        method: String,
        /// Header lines.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
        /// The most wall time, in milliseconds.
        #[serde(default)]
        timeout: Option<u64>,
        /// Whether it may be sent twice.
        #[serde(default)]
        idempotent: bool,
    },
    /// Read these attachments; all of them where none are named.
    Attached(Vec<String>),
    /// Wait so many milliseconds.
    Wait(u64),
    /// Write what came of the last step to this file.
    Write(String),
}

fn get() -> String {
    "GET".to_owned()
}

#[longhaul_sdk::agent]
impl Agent for Asker {
    type Config = Empty;
    type Input = Input;
    type Output = Value;

    fn run(task: Task<Empty, Input>) -> Result<Value, Failure> {
        let mut conversation = Vec::new();
        let mut told: Vec<Value> = Vec::new();
        for step in task.input.steps {
            let done = match step {
                Step::Chat { say, system, model, tools, schema, image } => {
                    conversation.extend(system.map(|text| Message::text(Role::System, text)));
                    let mut message = Message::text(Role::User, say);
                    if let Some(path) = image {
                        let data = std::fs::read(&path).map_err(|e| Failure::invalid_input(format!("{path}: {e}")))?;
                        message.parts.push(Part::Image(Image { media_type: "image/png".to_owned(), data }));
                    }
                    conversation.push(message);
                    let tool = |name: String| Tool { name, description: String::new(), parameters: "{}".to_owned() };
                    let mut request = Request::new(Vec::new());
                    request.model = model;
                    request.tools = tools.into_iter().map(tool).collect();
                    request.format = schema.map_or(Format::Text, |schema| Format::JsonSchema(schema.to_string()));
                    chat(&mut conversation, request)
                }
                Step::Fetch { url, method, headers, body, timeout, idempotent } => {
                    let body = body.into_bytes();
                    let request = http::Request { url, method, headers, body, timeout, idempotent };
                    http::fetch(&request).map(|response| {
                        json!({
                            "status": response.status,
                            "headers": response.headers,
                            "body": String::from_utf8_lossy(&response.body),
                            "url": response.url,
                        })
                    })
                }
                Step::Attached(names) => attached(&names),
                Step::Wait(millis) => {
                    std::thread::sleep(Duration::from_millis(millis));
                    continue;
                }
                Step::Write(path) => {
                    let text = told.last().map(Value::to_string).unwrap_or_default();
                    std::fs::write(&path, text).map_err(|e| Failure::fatal(format!("{path}: {e}")))?;
                    continue;
                }
            };
            told.push(match done {
                Ok(value) => value,
                Err(error) if task.input.strict => return Err(error.into()),
                Err(error) => json!({ "error": error.to_string(), "kind": kind(&error) }),
            });
        }
        let usage = context::usage();
        Ok(json!({
            "told": told,
            "context_used": usage.as_ref().and_then(|usage| usage.context_used),
            "context_window": usage.as_ref().and_then(|usage| usage.context_window),
        }))
    }
}

/// What the task is given beside its input, with what is in it.
fn attached(names: &[String]) -> Result<Value, Error> {
    let all = attachment::attachments();
    let one = |attachment: &Attachment| {
        let content = attachment.read()?;
        Ok(json!({
            "name": attachment.name, "source": attachment.source, "type": attachment.media_type,
            "size": attachment.size, "digest": attachment.digest, "text": String::from_utf8_lossy(&content),
        }))
    };
    if names.is_empty() {
        return all.iter().map(one).collect::<Result<Vec<_>, Error>>().map(Value::from);
    }
    let unknown = |name: &String| Attachment {
        name: name.clone(),
        source: String::new(),
        media_type: String::new(),
        size: 0,
        digest: String::new(),
    };
    let named =
        names.iter().map(|name| all.iter().find(|one| one.name == *name).cloned().unwrap_or_else(|| unknown(name)));
    named.map(|attachment| one(&attachment)).collect::<Result<Vec<_>, Error>>().map(Value::from)
}

/// Asks until the model asks for no tool any more.
fn chat(conversation: &mut Vec<Message>, mut request: Request) -> Result<Value, Error> {
    loop {
        request.messages.clone_from(conversation);
        let Response { message, input_tokens, output_tokens, model, .. } = model::chat(&request)?;
        let results: Vec<Part> = message.parts.iter().filter_map(answered).collect();
        let texts = message.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
        let text: String = texts.cloned().collect();
        conversation.push(message);
        if results.is_empty() {
            let tokens = input_tokens + output_tokens;
            return Ok(json!({ "text": text, "tokens": tokens, "model": model, "messages": conversation.len() }));
        }
        conversation.push(Message { role: Role::Tool, parts: results });
    }
}

fn answered(part: &Part) -> Option<Part> {
    let Part::ToolCall(ToolCall { id, name, arguments }) = part else { return None };
    let content = format!("{name} was asked {arguments}");
    Some(Part::ToolResult(ToolResult { call_id: id.clone(), content, failed: false }))
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Denied(_) => "denied",
        Error::Unavailable(_) => "unavailable",
        Error::Invalid(_) => "invalid",
        Error::Exhausted(_) => "exhausted",
        Error::TimedOut(_) => "timed-out",
        Error::RateLimited(_) => "rate-limited",
        Error::Failed(_) => "failed",
        _ => "cancelled",
    }
}
