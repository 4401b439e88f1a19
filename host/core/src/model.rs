//! Language models: what an agent asks of one, what it answers, and who answers for the host.
//!
//! A request is plain data with a digest ([`ChatRequest::digest`]), by which a replay recognises it; pictures count by their own
//! digest. [`Models`] is what the host reaches: it knows providers, keys and rate limits, and nothing of runs or records.

use crate::digest::Digest;
use crate::id::{AttemptId, Name};
use crate::reach::{BoxFuture, Live, ServiceError};
use crate::spend::Spent;
use crate::units::Tokens;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use std::time::Duration;

/// The model of those who name none.
pub const DEFAULT_MODEL: &str = "default";

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    pub media_type: String,
    /// The file's bytes.
    pub data: Vec<u8>,
}

impl Serialize for Image {
    /// Says which picture it is, without its bytes: those are a file of the workspace, or were made by the agent.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut image = serializer.serialize_struct("Image", 3)?;
        image.serialize_field("media_type", &self.media_type)?;
        image.serialize_field("bytes", &self.data.len())?;
        image.serialize_field("digest", &Digest::of(&self.data))?;
        image.end()
    }
}

/// The model asks for a tool to be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names this call; its result carries the same.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: usually a JSON object.
    pub arguments: String,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Image),
    /// A wish for a tool call.
    ToolCall(ToolCall),
    /// An answer to such a wish.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// What the model reads.
        content: String,
        /// Whether the tool failed.
        failed: bool,
    },
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What it says, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// All of its text, results of tools included.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) | Part::ToolResult { content: text, .. } => Some(text.as_str()),
            Part::Image(_) | Part::ToolCall(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// Whether the model has to call a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Plain text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits this JSON Schema.
    JsonSchema(serde_json::Value),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatRequest {
    /// The model, by its name in the workflow or the host's configuration.
    pub model: String,
    /// The whole conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<Tool>,
    /// Whether one has to be called.
    pub tool_choice: ToolChoice,
    /// The form of the answer.
    pub format: Format,
    /// The most tokens to write.
    pub max_tokens: Option<u32>,
    /// 0 to 2; the provider's default where none is given.
    pub temperature: Option<f32>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

impl ChatRequest {
    /// The digest of all that is asked: the same question has the same.
    pub fn digest(&self) -> Digest {
        // Texts and numbers are always JSON.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// How many messages the model has said already.
    pub fn turn(&self) -> usize {
        self.messages.iter().filter(|message| message.role == Role::Assistant).count()
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It was done.
    Stop,
    /// It reached a length limit.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// The provider held it back.
    ContentFilter,
}

/// One answer. As JSON it is what the record holds of it, and what a replay answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAnswer {
    /// What the model says; empty where it only asks for tools.
    pub text: String,
    /// The tools that it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish: Finish,
    /// Tokens read.
    pub input: Tokens,
    /// Tokens written.
    pub output: Tokens,
    /// The size of the model's context window.
    pub window: Tokens,
    /// The model that answered, as its provider calls it.
    pub model: String,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The agent's name in the workflow.
    pub agent: Name,
    /// The attempt that it works in.
    pub attempt: AttemptId,
}

/// What came of a request. It may have cost something although it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chatted {
    /// The answer.
    pub result: Result<ChatAnswer, ServiceError>,
    /// What it cost.
    pub spent: Spent,
}

impl From<ServiceError> for Chatted {
    /// A request that failed at no cost.
    fn from(error: ServiceError) -> Self {
        Self { result: Err(error), spent: Spent::default() }
    }
}

/// The models of a host.
///
/// Crash contract: a request has no effect but its cost, so it can be made again. Dropping the future ends the exchange soon.
pub trait Models: Send + Sync {
    /// How long a request to this model may take, waiting for its turn included; none where that is the usual time of a host call.
    fn patience(&self, model: &str) -> Option<Duration>;

    /// Asks a model; what it says is shown to `live` while it comes. Rate limits, repetitions and fallbacks are its own business.
    fn chat<'a>(&'a self, request: &'a ChatRequest, asker: &'a Asker, live: Arc<dyn Live>) -> BoxFuture<'a, Chatted>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parts: Vec<Part>) -> ChatRequest {
        ChatRequest {
            model: DEFAULT_MODEL.to_owned(),
            messages: vec![Message { role: Role::User, parts }],
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            format: Format::Text,
            max_tokens: None,
            temperature: None,
            stop: Vec::new(),
        }
    }

    #[test]
    fn questions_that_differ_in_a_picture_alone_are_different() {
        let image = |byte| Part::Image(Image { media_type: "image/png".to_owned(), data: vec![byte; 3] });
        let (one, other) = (request(vec![image(1)]), request(vec![image(2)]));
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest(), request(vec![image(1)]).digest());
        let shown = serde_json::to_string(&one).unwrap();
        assert!(shown.contains(r#""bytes":3"#) && !shown.contains("[1,1,1]"), "{shown}");
    }
}
