//! One turn of a conversation, in a form that can be handed over to the next instance.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    Attachment, Failure, attachment, files,
    model::{Image, Message, Part, Role, ToolCall, ToolResult},
};

/// What a picture is estimated to cost, in tokens.
const PICTURE_TOKENS: u64 = 1_000;

/// What a turn costs on top of its texts, in tokens.
const TURN_TOKENS: u64 = 6;

/// The most bytes of a picture.
const MAX_PICTURE: u64 = 8 << 20;

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Somebody asks.
    Asked { text: String, pictures: Vec<Picture> },
    /// What came before, in short.
    Summary(String),
    /// The model says something, and wants tools called.
    Answered { text: String, calls: Vec<Call> },
    /// What the tools gave.
    Results(Vec<CallResult>),
}

/// A picture, by its path or the name of an attachment: its bytes are read when the model is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The file, or the attachment.
    pub path: String,
    /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    pub media_type: String,
    /// Whether it is an attachment of the task.
    #[serde(default)]
    pub attached: bool,
}

/// A wish of the model for a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Names this call; its result carries the same.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: a JSON object where it kept to the rules.
    pub arguments: String,
}

/// What a tool gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResult {
    /// The call that it answers.
    pub call: String,
    /// What the model reads.
    pub content: String,
    /// Whether the tool failed.
    pub failed: bool,
}

impl Turn {
    /// Tokens that it takes by a rule of thumb: three bytes each, which is rather too many than too few.
    pub(super) fn tokens(&self) -> u64 {
        let (bytes, pictures) = match self {
            Self::Asked { text, pictures } => (text.len(), pictures.len()),
            Self::Summary(text) => (text.len(), 0),
            Self::Answered { text, calls } => {
                let calls: usize =
                    calls.iter().map(|call| call.name.len() + call.arguments.len() + call.id.len()).sum();
                (text.len() + calls, 0)
            }
            Self::Results(results) => (results.iter().map(|result| result.content.len() + result.call.len()).sum(), 0),
        };
        TURN_TOKENS + (bytes as u64).div_ceil(3) + pictures as u64 * PICTURE_TOKENS
    }

    /// The turn as a text to take notes of, with at most `most` bytes of each of its texts.
    pub(super) fn told(&self, most: usize) -> String {
        match self {
            Self::Asked { text, pictures } => {
                let pictures: String = pictures.iter().map(|picture| format!(" [picture {}]", picture.path)).collect();
                format!("ASKED: {}{pictures}\n", shortened(text, most))
            }
            Self::Summary(text) => format!("EARLIER NOTES:\n{text}\n"),
            Self::Answered { text, calls } => {
                let mut told = match text.is_empty() {
                    true => String::new(),
                    false => format!("ANSWERED: {}\n", shortened(text, most)),
                };
                for call in calls {
                    told += &format!("CALLED {}: {}\n", call.name, shortened(&call.arguments, most));
                }
                told
            }
            Self::Results(results) => {
                let word = |failed| if failed { "FAILED" } else { "RESULT" };
                let told =
                    |result: &CallResult| format!("{}: {}\n", word(result.failed), shortened(&result.content, most));
                results.iter().map(told).collect()
            }
        }
    }
}

/// The turns as messages. Turns of the same side in a row become one message, because some models insist on taking turns.
pub(super) fn messages(system: &str, turns: &[Turn]) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if !system.is_empty() {
        messages.push(Message::text(Role::System, system));
    }
    for turn in turns {
        match turn {
            Turn::Asked { text, pictures } => {
                let mut parts = vec![Part::Text(text.clone())];
                for picture in pictures {
                    parts.push(Part::Image(picture.load()?));
                }
                user(&mut messages, parts);
            }
            Turn::Summary(text) => {
                user(
                    &mut messages,
                    vec![Part::Text(format!("Your notes of what was said and done until here:\n\n{text}"))],
                );
            }
            Turn::Answered { text, calls } => {
                let text = (!text.is_empty()).then(|| Part::Text(text.clone()));
                let calls = calls.iter().map(|call| {
                    let Call { id, name, arguments } = call.clone();
                    // Of broken arguments the host would refuse the whole conversation, for ever.
                    let is_object = serde_json::from_str::<serde_json::Map<_, _>>(&arguments).is_ok();
                    let arguments = if is_object { arguments } else { "{}".to_owned() };
                    Part::ToolCall(ToolCall { id, name, arguments })
                });
                messages.push(Message { role: Role::Assistant, parts: text.into_iter().chain(calls).collect() });
            }
            Turn::Results(results) => messages.extend(results.iter().map(|result| {
                let CallResult { call, content, failed } = result.clone();
                let part = Part::ToolResult(ToolResult { call_id: call, content, failed });
                Message { role: Role::Tool, parts: vec![part] }
            })),
        }
    }
    Ok(messages)
}

fn user(messages: &mut Vec<Message>, parts: Vec<Part>) {
    match messages.last_mut() {
        Some(last) if last.role == Role::User => last.parts.extend(parts),
        _ => messages.push(Message { role: Role::User, parts }),
    }
}

impl Picture {
    /// A picture of the kind that its name tells.
    ///
    /// # Errors
    /// Its name ends like that of no picture that models take.
    pub fn new(path: impl Into<String>) -> Result<Self, Failure> {
        let path = path.into();
        let end = path.rsplit('.').next().unwrap_or_default().to_lowercase();
        let media_type = match end.as_str() {
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "webp" => "image/webp",
            "gif" => "image/gif",
            _ => return Err(Failure::invalid_input(format!("`{path}` is no png, jpg, webp or gif"))),
        };
        Ok(Self { path, media_type: media_type.to_owned(), attached: false })
    }

    /// A picture that the task is given.
    pub fn attached(attachment: &Attachment) -> Self {
        Self { path: attachment.name.clone(), media_type: attachment.media_type.clone(), attached: true }
    }

    fn load(&self) -> Result<Image, Failure> {
        if self.attached {
            let data = attachment::content(&self.path)?;
            return Ok(Image { media_type: self.media_type.clone(), data });
        }
        match files::read_up_to(Path::new(&self.path), MAX_PICTURE)? {
            Ok(data) => Ok(Image { media_type: self.media_type.clone(), data }),
            Err(size) => Err(Failure::invalid_input(format!(
                "{}: the picture has {size} bytes, and models are shown {MAX_PICTURE} at most",
                self.path
            ))),
        }
    }
}

/// A text of at most about `most` bytes: beginning and end of a longer one, with a note of what is left out between them.
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = floor(text, most * 2 / 3);
    let tail = floor(text, text.len() - most / 3);
    format!("{}\n[… {} bytes are left out here …]\n{}", &text[..head], tail - head, &text[tail..])
}

/// The last place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_the_same_side_become_one_message() {
        let asked = |text: &str| Turn::Asked { text: text.into(), pictures: Vec::new() };
        let messages = messages("be brief", &[asked("a"), Turn::Summary("s".into()), asked("b")]).unwrap();
        assert_eq!(messages.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::System, Role::User]);
        assert_eq!(messages[1].parts.len(), 3);
    }

    #[test]
    fn arguments_that_are_no_object_do_not_poison_the_conversation() {
        let call = Call { id: "1".into(), name: "edit".into(), arguments: "{\"a\":".into() };
        let turn = Turn::Answered { text: String::new(), calls: vec![call] };
        let messages = messages("", &[turn]).unwrap();
        assert!(matches!(&messages[0].parts[0], Part::ToolCall(call) if call.arguments == "{}"));
    }

    #[test]
    fn a_long_text_keeps_both_ends_and_whole_characters() {
        let text = "ä".repeat(1_000) + "ende";
        let short = shortened(&text, 301);
        assert!(short.starts_with("ää") && short.ends_with("ende") && short.contains("bytes are left out"), "{short}");
        assert!(short.len() < 400);
        assert_eq!(shortened("short", 5), "short");
    }

    #[test]
    fn a_picture_is_known_by_its_name_and_missed_by_its_path() {
        assert_eq!(Picture::new("shots/Start.PNG").unwrap().media_type, "image/png");
        assert!(Picture::new("notes.txt").is_err());
        let gone = Turn::Asked { text: String::new(), pictures: vec![Picture::new("gone.png").unwrap()] };
        assert!(messages("", &[gone]).unwrap_err().message.contains("gone.png"));
    }
}
