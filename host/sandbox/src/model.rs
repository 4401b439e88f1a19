//! Language models: a guest's conversation becomes a request, and the answer becomes an action from which a replay answers.
//!
//! The record says what was asked as well. A conversation grows by a few messages from one request to the next, and these alone
//! are recorded ([`Conversation::what_is_new`]), so that the record grows with what is said and not with its square.

use crate::audit::Outward;
use crate::bindings::agent::longhaul::plugin::{model, types};
use crate::guest::Guest;
use crate::host::short;
use crate::service::refusal;
use longhaul_core::action::ContextFill;
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, CallKind, MAX_ANSWER};
use longhaul_core::grant::{Capability, Permissions};
use longhaul_core::model::{
    ChatAnswer, ChatRequest, Chatted, DEFAULT_MODEL, Finish, Format, Image, Message, Part, Role, Tool, ToolCall,
    ToolChoice,
};
use longhaul_core::reach::ServiceError;
use longhaul_core::units::Tokens;
use serde_json::{Value, json};

/// The most tools of one request.
const MAX_TOOLS: usize = 128;
/// The most bytes of a tool's name.
const MAX_NAME: usize = 64;
/// The media types of pictures.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

impl model::Host for Guest {
    async fn chat(&mut self, request: model::Request) -> wasmtime::Result<Result<model::Response, types::Error>> {
        const OPERATION: &str = "chat";
        let name = request.model.clone().or_else(|| self.model.clone()).unwrap_or_else(|| DEFAULT_MODEL.to_owned());
        let line = format!("model: [{name:?}]");
        let named = |p: &Permissions| p.model.as_ref().is_some_and(|list| list.iter().any(|m| *m == name || m == "*"));
        if let Err(denied) = self.granted(Capability::Model, OPERATION, &name, line, named)? {
            return Ok(Err(denied));
        }
        let request = match request_of(name.clone(), request) {
            Ok(request) => request,
            Err(reason) => return self.no_question(&name, ServiceError::Invalid(reason)),
        };
        let (asked, conversation) = self.conversation.what_is_new(&request);
        self.meter.charge_call(asked.len() + pictures(&request));
        if asked.len() > MAX_ANSWER {
            let reason =
                format!("the request has {} bytes, more than the {MAX_ANSWER} (8 MiB) of a host call", asked.len());
            return self.no_question(&name, ServiceError::Exhausted(reason));
        }
        let services = self.reach.services.clone();
        let (Some(models), Some(asker)) = (services.models, self.asker.clone()) else {
            return self.no_question(&name, ServiceError::Unavailable("this host has no models".to_owned()));
        };
        self.conversation = conversation;
        let outward = Outward {
            capability: Capability::Model,
            operation: OPERATION,
            resource: short(&name),
            detail: detail(&request),
            request: request.digest(),
            kind: CallKind::Query,
        };
        let patience = models.patience(&name);
        let live = self.reach.live.clone();
        let ask = async |_| {
            let chatted = models.chat(&request, &asker, live).await;
            Ok(answered(chatted, asked))
        };
        let answer = self.ask_service(outward, patience, ask);
        Ok(answer.await?.and_then(|answer| {
            let answer: ChatAnswer = serde_json::from_str(&answer)
                .map_err(|e| types::Error::Failed(format!("the recorded answer cannot be read: {e}")))?;
            Ok(response(answer))
        }))
    }
}

impl Guest {
    /// Refuses what nobody needs to be asked for, and records that.
    fn no_question<T>(&mut self, model: &str, error: ServiceError) -> wasmtime::Result<Result<T, types::Error>> {
        let deed = crate::audit::Deed::new(Capability::Model, "chat", short(model));
        self.audit.action(deed.failed(short(&error.to_string())))?;
        Ok(Err(error.into()))
    }
}

fn answered(chatted: Chatted, asked: String) -> Answered {
    let Chatted { result, spent } = chatted;
    let answered = match result {
        Ok(answer) => {
            let fill = ContextFill { used: answer.input + answer.output, window: answer.window };
            let context = (answer.window > Tokens(0)).then_some(fill);
            // Texts and numbers are always JSON.
            Answered { context, ..Answered::ok(serde_json::to_string(&answer).unwrap_or_default()) }
        }
        Err(error) => refusal(&error),
    };
    Answered { asked, spent, ..answered }
}

/// What an attempt has asked models so far: a digest for each message of the last request.
#[derive(Debug, Default)]
pub(crate) struct Conversation(Vec<Digest>);

impl Conversation {
    /// What a request says that the one before it did not, as JSON: its messages behind the first `as_before`, and all else that it
    /// has. With the conversation that it makes.
    fn what_is_new(&self, request: &ChatRequest) -> (String, Self) {
        let digest = |message: &Message| Digest::of(&serde_json::to_vec(message).unwrap_or_default());
        let digests: Vec<Digest> = request.messages.iter().map(digest).collect();
        let same = digests.iter().zip(&self.0).take_while(|(now, before)| now == before).count();
        let mut asked = json!(request);
        if let Value::Object(fields) = &mut asked {
            fields.retain(|_, value| !matches!(value, Value::Null) && *value != json!([]));
            fields.insert("messages".to_owned(), json!(request.messages.get(same..).unwrap_or_default()));
            if same > 0 {
                fields.insert("as_before".to_owned(), json!(same));
            }
        }
        (asked.to_string(), Self(digests))
    }
}

/// What a request is, in a few words.
fn detail(request: &ChatRequest) -> String {
    let mut text = format!("{} messages", request.messages.len());
    if !request.tools.is_empty() {
        text.push_str(&format!(", {} tools", request.tools.len()));
    }
    match &request.format {
        Format::Text => {}
        Format::JsonObject => text.push_str(", for JSON"),
        Format::JsonSchema(_) => text.push_str(", for JSON of a schema"),
    }
    text
}

/// The bytes of all pictures.
fn pictures(request: &ChatRequest) -> usize {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let bytes = parts.map(|part| if let Part::Image(image) = part { image.data.len() } else { 0 });
    bytes.sum()
}

/// Checks a request; the error names what makes no sense in it.
fn request_of(model: String, request: model::Request) -> Result<ChatRequest, String> {
    if request.messages.is_empty() {
        return Err("`messages` is empty".to_owned());
    }
    if request.tools.len() > MAX_TOOLS {
        return Err(format!("`tools` has {}, more than {MAX_TOOLS}", request.tools.len()));
    }
    if let Some(temperature) = request.temperature.filter(|t| !(0.0..=2.0).contains(t)) {
        return Err(format!("`temperature` is {temperature}, and goes from 0 to 2"));
    }
    let tools = request.tools.into_iter().map(tool_of).collect::<Result<Vec<_>, _>>()?;
    let tool_choice = match request.tool_choice {
        model::ToolChoice::Auto => ToolChoice::Auto,
        model::ToolChoice::None => ToolChoice::None,
        model::ToolChoice::Required if tools.is_empty() => {
            return Err("`tool-choice` wants a tool, and there is none".to_owned());
        }
        model::ToolChoice::Required => ToolChoice::Required,
        model::ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == name) => {
            return Err(format!("`tool-choice` names the tool `{}`, which is not offered", short(&name)));
        }
        model::ToolChoice::Named(name) => ToolChoice::Named(name),
    };
    let format = match request.format {
        model::Format::Text => Format::Text,
        model::Format::JsonObject => Format::JsonObject,
        model::Format::JsonSchema(schema) => Format::JsonSchema(schema_of("format", &schema)?),
    };
    Ok(ChatRequest {
        model,
        messages: request.messages.into_iter().map(message_of).collect::<Result<_, _>>()?,
        tools,
        tool_choice,
        format,
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        stop: request.stop,
    })
}

fn tool_of(tool: model::Tool) -> Result<Tool, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if tool.name.is_empty() || tool.name.len() > MAX_NAME || !tool.name.chars().all(is_plain) {
        return Err(format!(
            "`tools` has the name `{}`; a name is letters, digits, `_` and `-`, at most {MAX_NAME}",
            short(&tool.name)
        ));
    }
    let parameters = schema_of(&format!("tools.{}.parameters", tool.name), &tool.parameters)?;
    Ok(Tool { name: tool.name, description: tool.description, parameters })
}

fn schema_of(argument: &str, text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(schema @ Value::Object(_)) => Ok(schema),
        Ok(_) => Err(format!("`{argument}` is no JSON Schema: that is an object")),
        Err(error) => Err(format!("`{argument}` is not JSON: {error}")),
    }
}

fn message_of(message: model::Message) -> Result<Message, String> {
    let role = match message.role {
        model::Role::System => Role::System,
        model::Role::User => Role::User,
        model::Role::Assistant => Role::Assistant,
        model::Role::Tool => Role::Tool,
    };
    let parts = message.parts.into_iter().map(|part| part_of(role, part)).collect::<Result<_, _>>()?;
    Ok(Message { role, parts })
}

fn part_of(role: Role, part: model::Part) -> Result<Part, String> {
    match (part, role) {
        (model::Part::Text(text), _) => Ok(Part::Text(text)),
        (model::Part::Image(model::Image { media_type, data }), Role::User) => {
            if !PICTURES.contains(&media_type.as_str()) {
                return Err(format!(
                    "`messages` has a picture of the type `{}`; it is one of {}",
                    short(&media_type),
                    PICTURES.join(", ")
                ));
            }
            Ok(Part::Image(Image { media_type, data }))
        }
        (model::Part::ToolCall(model::ToolCall { id, name, arguments }), Role::Assistant) => {
            Ok(Part::ToolCall(ToolCall { id, name, arguments }))
        }
        (model::Part::ToolResult(model::ToolResult { call_id, content, failed }), Role::Tool) => {
            Ok(Part::ToolResult { call_id, content, failed })
        }
        (model::Part::Image(_), _) => Err("`messages` has a picture that no user shows".to_owned()),
        (model::Part::ToolCall(_), _) => Err("`messages` has a tool call that is not the assistant's".to_owned()),
        (model::Part::ToolResult(_), _) => Err("`messages` has a tool's result in a message of no tool".to_owned()),
    }
}

fn response(answer: ChatAnswer) -> model::Response {
    let ChatAnswer { text, tool_calls, finish, input, output, window, model } = answer;
    let text = (!text.is_empty()).then_some(model::Part::Text(text));
    let calls = tool_calls
        .into_iter()
        .map(|ToolCall { id, name, arguments }| model::Part::ToolCall(model::ToolCall { id, name, arguments }));
    model::Response {
        message: model::Message { role: model::Role::Assistant, parts: text.into_iter().chain(calls).collect() },
        finish: match finish {
            Finish::Stop => model::Finish::Stop,
            Finish::Length => model::Finish::Length,
            Finish::ToolCalls => model::Finish::ToolCalls,
            Finish::ContentFilter => model::Finish::ContentFilter,
        },
        input_tokens: input.0,
        output_tokens: output.0,
        context_window: window.0,
        model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(role: Role, text: &str) -> Message {
        Message { role, parts: vec![Part::Text(text.to_owned())] }
    }

    fn request(messages: Vec<Message>) -> ChatRequest {
        ChatRequest {
            model: "m".to_owned(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            format: Format::Text,
            max_tokens: Some(5),
            temperature: None,
            stop: Vec::new(),
        }
    }

    #[test]
    fn of_a_conversation_that_goes_on_only_what_is_new_is_recorded() {
        let mut conversation = Conversation::default();
        let mut asked = |messages: &[Message]| {
            let (asked, now) = conversation.what_is_new(&request(messages.to_vec()));
            conversation = now;
            serde_json::from_str::<Value>(&asked).unwrap()
        };
        let mut messages = vec![text(Role::System, "be short"), text(Role::User, "one")];
        let first = asked(&messages);
        assert_eq!((first["messages"].as_array().unwrap().len(), first.get("as_before")), (2, None));
        messages.extend([text(Role::Assistant, "1"), text(Role::User, "two")]);
        let second = asked(&messages);
        assert_eq!((&second["as_before"], &second["max_tokens"]), (&json!(2), &json!(5)));
        assert!(second["messages"].to_string().contains("two") && !second.to_string().contains("one"), "{second}");
        messages[1] = text(Role::User, "another");
        let third = asked(&messages);
        assert_eq!((&third["as_before"], third["messages"].as_array().unwrap().len()), (&json!(1), 3));
    }

    #[test]
    fn a_request_that_makes_no_sense_names_the_argument() {
        let good = || model::Request {
            model: None,
            messages: vec![model::Message { role: model::Role::User, parts: vec![model::Part::Text("hi".into())] }],
            tools: vec![model::Tool { name: "read".into(), description: String::new(), parameters: "{}".into() }],
            tool_choice: model::ToolChoice::Auto,
            format: model::Format::Text,
            max_tokens: None,
            temperature: None,
            stop: Vec::new(),
        };
        type Spoil = fn(&mut model::Request);
        let bad: [(&str, Spoil); 8] = [
            ("`messages` is empty", |r| r.messages.clear()),
            ("`temperature`", |r| r.temperature = Some(f32::NAN)),
            ("`tools`", |r| r.tools[0].name = "two words".into()),
            ("`tools.read.parameters`", |r| r.tools[0].parameters = "[]".into()),
            ("`format`", |r| r.format = model::Format::JsonSchema("{".into())),
            ("`tool-choice`", |r| r.tool_choice = model::ToolChoice::Named("write".into())),
            ("a picture of the type", |r| {
                let image = model::Image { media_type: "text/html".into(), data: Vec::new() };
                r.messages[0].parts.push(model::Part::Image(image));
            }),
            ("a tool's result", |r| {
                let result = model::ToolResult { call_id: "1".into(), content: String::new(), failed: false };
                r.messages[0].parts.push(model::Part::ToolResult(result));
            }),
        ];
        assert!(request_of("m".into(), good()).is_ok());
        for (told, spoil) in bad {
            let mut request = good();
            spoil(&mut request);
            let error = request_of("m".into(), request).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
