//! Responses: the request as JSON, and the answer out of its events.

use super::chat::{data_url, result};
use super::fault::Fault;
use super::talk::{Heard, MAX_CALLS, MAX_TEXT, Talk, add, is_closed, text};
use longhaul_core::model::{ChatRequest, Finish, Format, Message, Part, Role, Tool, ToolCall, ToolChoice};
use longhaul_core::units::Tokens;
use serde_json::{Value, json};

/// The request; the error says what this way of asking has no words for.
pub(super) fn body(request: &ChatRequest, model: &str, max_output: Option<u32>) -> Result<Value, String> {
    if !request.stop.is_empty() {
        return Err("`stop` is not known to the API `responses` that this model is asked by; leave it out".to_owned());
    }
    let mut body = json!({
        "model": model,
        "input": request.messages.iter().flat_map(items).collect::<Vec<_>>(),
        "stream": true,
        "store": false,
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
            ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
        }),
    );
    put(
        "text",
        match &request.format {
            Format::Text => None,
            Format::JsonObject => Some(json!({ "format": { "type": "json_object" } })),
            Format::JsonSchema(schema) => {
                let strict = is_closed(schema);
                Some(
                    json!({ "format": { "type": "json_schema", "name": "answer", "schema": schema, "strict": strict } }),
                )
            }
        },
    );
    put("max_output_tokens", request.max_tokens.or(max_output).map(|most| most.into()));
    put("temperature", request.temperature.map(|temperature| json!(temperature)));
    Ok(body)
}

fn tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    json!({ "type": "function", "name": name, "description": description, "parameters": parameters, "strict": false })
}

/// A message as items: what was said, and each call and result of a tool.
fn items(message: &Message) -> Vec<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    };
    let kind = if message.role == Role::Assistant { "output_text" } else { "input_text" };
    let (mut said, mut others) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Text(text) => said.push(json!({ "type": kind, "text": text })),
            Part::Image(image) => said.push(json!({ "type": "input_image", "image_url": data_url(image) })),
            Part::ToolCall(ToolCall { id, name, arguments }) => {
                others.push(json!({ "type": "function_call", "call_id": id, "name": name, "arguments": arguments }));
            }
            Part::ToolResult { call_id, content, failed } => {
                let output = result(content, *failed);
                others.push(json!({ "type": "function_call_output", "call_id": call_id, "output": output }));
            }
        }
    }
    let said = (!said.is_empty()).then(|| json!({ "type": "message", "role": role, "content": said }));
    said.into_iter().chain(others).collect()
}

/// An answer under way. Its pieces are shown and counted; what it is stands in its last event, whole.
#[derive(Default)]
pub(super) struct Responses {
    shown: String,
    heard: Option<Heard>,
}

impl Talk for Responses {
    fn hear(&mut self, event: &Value) -> Result<String, Fault> {
        match text(event, "/type") {
            "response.output_text.delta" => {
                let said = text(event, "/delta");
                add(&mut self.shown, said)?;
                Ok(said.to_owned())
            }
            "response.function_call_arguments.delta" => {
                add(&mut self.shown, text(event, "/delta")).map(|()| String::new())
            }
            "response.completed" | "response.incomplete" => {
                let response = event.get("response").unwrap_or(&Value::Null);
                self.heard = Some(read(response)?);
                Ok(String::new())
            }
            "response.failed" => Err(failed(text(event, "/response/error/message"))),
            "error" => Err(failed(text(event, "/message"))),
            _ => Ok(String::new()),
        }
    }

    fn end(&mut self) -> Result<Heard, Fault> {
        self.heard.take().ok_or_else(|| Fault::broken_off(self, ""))
    }

    fn whole(&mut self, answer: &Value) -> Result<Heard, Fault> {
        read(answer)
    }

    fn so_far(&self) -> String {
        self.shown.clone()
    }
}

fn failed(reason: &str) -> Fault {
    let reason: String = reason.chars().take(500).collect();
    Fault::Passing(if reason.is_empty() { "it gave no reason".to_owned() } else { reason })
}

/// An answer as it stands at the end.
fn read(response: &Value) -> Result<Heard, Fault> {
    if text(response, "/status") == "failed" {
        return Err(failed(text(response, "/error/message")));
    }
    let Some(output) = response.get("output").and_then(Value::as_array) else {
        return Err(Fault::malformed("it has no `output`"));
    };
    let (mut said, mut tool_calls, mut arguments) = (String::new(), Vec::new(), 0);
    for item in output {
        match text(item, "/type") {
            "message" => {
                for part in item.get("content").and_then(Value::as_array).into_iter().flatten() {
                    add(&mut said, text(part, "/text"))?;
                    add(&mut said, text(part, "/refusal"))?;
                }
            }
            "function_call" => {
                let call = ToolCall {
                    id: text(item, "/call_id").chars().take(200).collect(),
                    name: text(item, "/name").to_owned(),
                    arguments: text(item, "/arguments").to_owned(),
                };
                arguments += call.name.len() + call.arguments.len();
                if call.name.is_empty() {
                    return Err(Fault::malformed("it asks for a tool without a name"));
                }
                if arguments > MAX_TEXT || tool_calls.len() >= MAX_CALLS {
                    return Err(Fault::TooLong);
                }
                tool_calls.push(call);
            }
            _ => {}
        }
    }
    let finish = match (text(response, "/status"), text(response, "/incomplete_details/reason")) {
        (_, "content_filter") => Finish::ContentFilter,
        ("incomplete", _) => Finish::Length,
        _ if tool_calls.is_empty() => Finish::Stop,
        _ => Finish::ToolCalls,
    };
    let count = |name: &str| response.pointer(name).and_then(Value::as_u64).map(Tokens);
    let usage = count("/usage/input_tokens").zip(count("/usage/output_tokens"));
    let model = response.get("model").and_then(Value::as_str).map(str::to_owned);
    Ok(Heard { text: said, tool_calls, finish, usage, model })
}
