//! Chat completions: the request as JSON, and the answer out of its pieces.

use super::fault::Fault;
use super::talk::{Heard, MAX_CALLS, Talk, add, is_closed, text};
use data_encoding::BASE64;
use longhaul_core::model::{ChatRequest, Finish, Format, Image, Message, Part, Role, Tool, ToolCall, ToolChoice};
use longhaul_core::units::Tokens;
use serde_json::{Value, json};

/// The request.
pub(super) fn body(request: &ChatRequest, model: &str, max_output: Option<u32>) -> Value {
    let mut body = json!({
        "model": model,
        "messages": request.messages.iter().flat_map(messages).collect::<Vec<_>>(),
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    let has_tools = !request.tools.is_empty();
    put("tools", has_tools.then(|| request.tools.iter().map(tool).collect()));
    put(
        "tool_choice",
        has_tools.then(|| match &request.tool_choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
        }),
    );
    put(
        "response_format",
        match &request.format {
            Format::Text => None,
            Format::JsonObject => Some(json!({ "type": "json_object" })),
            Format::JsonSchema(schema) => Some(json!({
                "type": "json_schema",
                "json_schema": { "name": "answer", "schema": schema, "strict": is_closed(schema) },
            })),
        },
    );
    put("max_tokens", request.max_tokens.or(max_output).map(|most| most.into()));
    put("temperature", request.temperature.map(|temperature| json!(temperature)));
    put("stop", (!request.stop.is_empty()).then(|| json!(request.stop)));
    body
}

fn tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
}

/// A picture as an address that holds it.
pub(super) fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, BASE64.encode(&image.data))
}

/// What a model reads of a tool's result.
pub(super) fn result(content: &str, failed: bool) -> String {
    if failed { format!("The tool failed: {content}") } else { content.to_owned() }
}

/// A message as one or more: each result of a tool is one of its own.
fn messages(message: &Message) -> Vec<Value> {
    match message.role {
        Role::System => vec![json!({ "role": "system", "content": message.text() })],
        Role::User if message.parts.iter().all(|part| matches!(part, Part::Text(_))) => {
            vec![json!({ "role": "user", "content": message.text() })]
        }
        Role::User => {
            let parts = message.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(json!({ "type": "text", "text": text })),
                Part::Image(image) => Some(json!({ "type": "image_url", "image_url": { "url": data_url(image) } })),
                Part::ToolCall(_) | Part::ToolResult { .. } => None,
            });
            vec![json!({ "role": "user", "content": parts.collect::<Vec<_>>() })]
        }
        Role::Assistant => {
            let calls: Vec<_> = message
                .parts
                .iter()
                .filter_map(|part| match part {
                    Part::ToolCall(ToolCall { id, name, arguments }) => Some(
                        json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }),
                    ),
                    _ => None,
                })
                .collect();
            let text = message.text();
            let mut said =
                json!({ "role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() } });
            if !calls.is_empty() {
                said["tool_calls"] = calls.into();
            }
            vec![said]
        }
        Role::Tool => {
            let results = message.parts.iter().filter_map(|part| match part {
                Part::ToolResult { call_id, content, failed } => {
                    Some(json!({ "role": "tool", "tool_call_id": call_id, "content": result(content, *failed) }))
                }
                _ => None,
            });
            results.collect()
        }
    }
}

/// An answer under way.
#[derive(Default)]
pub(super) struct Chat {
    text: String,
    calls: Vec<ToolCall>,
    arguments: usize,
    finish: Option<Finish>,
    usage: Option<(Tokens, Tokens)>,
    model: Option<String>,
}

impl Chat {
    fn note(&mut self, event: &Value) -> Result<(), Fault> {
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            let told = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
            return Err(Fault::Passing(told.chars().take(500).collect()));
        }
        if let Some(model) = event.get("model").and_then(Value::as_str) {
            self.model = Some(model.to_owned());
        }
        let count = |name: &str| event.pointer(name).and_then(Value::as_u64).map(Tokens);
        if let (Some(input), Some(output)) = (count("/usage/prompt_tokens"), count("/usage/completion_tokens")) {
            self.usage = Some((input, output));
        }
        self.finish = match text(event, "/choices/0/finish_reason") {
            "" => self.finish,
            "length" => Some(Finish::Length),
            "tool_calls" | "function_call" => Some(Finish::ToolCalls),
            "content_filter" => Some(Finish::ContentFilter),
            _ => Some(Finish::Stop),
        };
        Ok(())
    }

    /// Takes tool calls, or pieces of them.
    fn call(&mut self, calls: Option<&Value>) -> Result<(), Fault> {
        for (place, call) in calls.and_then(Value::as_array).into_iter().flatten().enumerate() {
            let index =
                call.get("index").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(place);
            if index >= MAX_CALLS {
                return Err(Fault::TooLong);
            }
            while self.calls.len() <= index {
                let id = format!("call-{}", self.calls.len());
                self.calls.push(ToolCall { id, name: String::new(), arguments: String::new() });
            }
            let arguments = text(call, "/function/arguments");
            self.arguments += arguments.len();
            if self.arguments > super::talk::MAX_TEXT {
                return Err(Fault::TooLong);
            }
            let known = &mut self.calls[index];
            add(&mut known.name, text(call, "/function/name"))?;
            known.arguments.push_str(arguments);
            if let Some(id) = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
                known.id = id.chars().take(200).collect();
            }
        }
        Ok(())
    }

    fn heard(&mut self) -> Result<Heard, Fault> {
        let finish = self.finish.take().ok_or_else(|| Fault::broken_off(self, ""))?;
        if self.calls.iter().any(|call| call.name.is_empty()) {
            return Err(Fault::malformed("it asks for a tool without a name"));
        }
        let tool_calls = std::mem::take(&mut self.calls);
        // Some say `stop` where they wait for tools.
        let finish = if finish == Finish::Stop && !tool_calls.is_empty() { Finish::ToolCalls } else { finish };
        Ok(Heard {
            text: std::mem::take(&mut self.text),
            tool_calls,
            finish,
            usage: self.usage,
            model: self.model.take(),
        })
    }
}

impl Talk for Chat {
    fn hear(&mut self, event: &Value) -> Result<String, Fault> {
        self.note(event)?;
        let said = text(event, "/choices/0/delta/content");
        add(&mut self.text, said)?;
        self.call(event.pointer("/choices/0/delta/tool_calls"))?;
        Ok(said.to_owned())
    }

    fn end(&mut self) -> Result<Heard, Fault> {
        self.heard()
    }

    fn whole(&mut self, answer: &Value) -> Result<Heard, Fault> {
        if answer.pointer("/choices/0/message").is_none() && answer.get("error").is_none() {
            return Err(Fault::malformed("it has no `choices`"));
        }
        self.note(answer)?;
        add(&mut self.text, text(answer, "/choices/0/message/content"))?;
        self.call(answer.pointer("/choices/0/message/tool_calls"))?;
        self.heard()
    }

    fn so_far(&self) -> String {
        let arguments = self.calls.iter().map(|call| call.arguments.as_str());
        std::iter::once(self.text.as_str()).chain(arguments).collect()
    }
}
