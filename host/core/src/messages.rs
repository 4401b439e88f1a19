//! Messages between the agents of a run.
//!
//! ```text
//!   send ──► outbox of the attempt ──► one entry of the record ──► mailbox of each recipient ──► receive ──► outbox …
//! ```
//!
//! What an attempt sends is held back with everything else that it holds back, and so is that it received something: a message is
//! gone for good when the entry that says so is made. An attempt that fails before gives its messages back in their order, and the
//! next attempt at the task receives them again.

use crate::attempt::RecordError;
use crate::id::{IdError, Name, TaskId};
use crate::payload::Payload;
use crate::reach::BoxFuture;
use crate::units::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of one message. What is larger belongs into a file, and its path into the message.
pub const MAX_BODY: Bytes = Bytes(64 << 10);
/// The most messages that wait for one task: an agent that never looks must not fill the host.
pub const MAX_WAITING: usize = 10_000;
/// The most bytes of all messages that wait for one task.
pub const MAX_WAITING_BYTES: Bytes = Bytes(16 << 20);
/// The most bytes of all messages that wait in a run; they are in the host's memory.
pub const MAX_IN_RUN: Bytes = Bytes(64 << 20);
/// The most topics that one task subscribes to.
pub const MAX_TOPICS: usize = 100;
/// What a message takes beside its body, about.
pub const ENVELOPE: u64 = 256;

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipient {
    /// The agent that works on this task.
    Task(TaskId),
    /// Every subscriber of this topic.
    Topic(Name),
}

impl Recipient {
    /// What a grant names.
    pub fn name(&self) -> &str {
        match self {
            Recipient::Task(task) => task.as_str(),
            Recipient::Topic(topic) => topic.as_str(),
        }
    }

    /// A task, as a guest names it.
    ///
    /// # Errors
    /// [`MessageError::Invalid`] where that is no name of a task.
    pub fn task(id: &str) -> Result<Self, MessageError> {
        Ok(Recipient::Task(TaskId::new(id).map_err(invalid)?))
    }

    /// A topic, as a guest names it.
    ///
    /// # Errors
    /// [`MessageError::Invalid`] where that is no name.
    pub fn topic(name: &str) -> Result<Self, MessageError> {
        Ok(Recipient::Topic(Name::new(name).map_err(invalid)?))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Task(task) => write!(f, "task `{task}`"),
            Recipient::Topic(topic) => write!(f, "topic `{topic}`"),
        }
    }
}

fn invalid(error: IdError) -> MessageError {
    MessageError::Invalid(error.to_string())
}

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Whom it is for.
    pub to: Recipient,
    /// What it says.
    pub body: Payload,
}

/// Names a message within its run: the entry of the record that published it, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId {
    /// The position of the entry.
    pub entry: u64,
    /// From 0 on.
    pub place: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entry, self.place)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for MessageId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split_once('.').and_then(|(entry, place)| Some((entry.parse().ok()?, place.parse().ok()?)));
        let (entry, place) = parts.ok_or_else(|| format!("`{text}` names no message"))?;
        Ok(Self { entry, place })
    }
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Unique within the run.
    pub id: MessageId,
    /// The task whose agent sent it.
    pub sender: TaskId,
    /// How it was addressed.
    pub to: Recipient,
    /// What it says.
    pub body: Payload,
    /// When its sender published it.
    pub sent_at: Timestamp,
}

/// What is wrong with a request about messages; the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "error", content = "about")]
pub enum MessageError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no room for it.
    #[error("{0}")]
    Full(String),
    /// This attempt may not have any.
    #[error("this attempt only looks at the work of another one")]
    OnlyLooks,
}

/// The messages of the task that one attempt works on.
///
/// Each function is called again in a replay, where it was called before, and then does what the record says.
pub trait Mailbox: Send + Sync {
    /// Sends a message, which is held back.
    ///
    /// # Errors
    /// [`MessageError`], and nothing is sent.
    fn send(&self, to: Recipient, body: Payload) -> Result<(), MessageError>;

    /// Sends again what the attempt that is replayed here had sent: what bounds messages was asked then.
    fn send_again(&self, to: Recipient, body: Payload);

    /// From now on the task receives what is published on `topic`; its later attempts do so too.
    ///
    /// # Errors
    /// The outer one where it cannot be recorded and the attempt ends; [`MessageError`] where nothing has changed.
    fn subscribe(&self, topic: &Name) -> Result<Result<(), MessageError>, RecordError>;

    /// The next message, where there is one. Makes known what was held back, unless nothing of it waits for that; in a replay, where the
    /// record says so, and then there is no message.
    ///
    /// # Errors
    /// [`RecordError`] where it cannot be recorded: the attempt ends.
    fn next(&self) -> Result<Option<Message>, RecordError>;

    /// The attempt received this before.
    fn next_again(&self, message: &Message);

    /// Resolves when there may be a message.
    fn arrived(&self) -> BoxFuture<'_, ()>;
}

/// For an attempt that has no messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailbox;

impl Mailbox for NoMailbox {
    fn send(&self, _: Recipient, _: Payload) -> Result<(), MessageError> {
        Err(MessageError::OnlyLooks)
    }

    fn send_again(&self, _: Recipient, _: Payload) {}

    fn subscribe(&self, _: &Name) -> Result<Result<(), MessageError>, RecordError> {
        Ok(Err(MessageError::OnlyLooks))
    }

    fn next(&self) -> Result<Option<Message>, RecordError> {
        Ok(None)
    }

    fn next_again(&self, _: &Message) {}

    fn arrived(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Whether the pattern of a grant names this task or topic: `*` stands for any characters, everything else for itself.
pub fn names(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let (first, mut rest) = (parts.next().unwrap_or_default(), name);
    let Some(behind) = rest.strip_prefix(first) else { return false };
    rest = behind;
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_what_it_says_and_nothing_else() {
        for (pattern, name) in [
            ("review", "review"),
            ("review*", "review"),
            ("review*", "review[3].tests"),
            ("*", "anything"),
            ("*.tests", "change[3].tests"),
            ("a*b*c", "a-b-b-c"),
            ("change[*]", "change[12]"),
        ] {
            assert!(names(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("review", "reviews"),
            ("review", "a-review"),
            ("", "a"),
            ("a*a", "a"),
            ("*b", "abc"),
            ("a*b*c", "a-c-b"),
            ("change[0]", "change0"),
        ] {
            assert!(!names(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_message_survives_its_text() {
        let message = Message {
            id: MessageId { entry: 12, place: 3 },
            sender: TaskId::new("ping").unwrap(),
            to: Recipient::topic("news").unwrap(),
            body: Payload::from(vec![1, 2, 255]),
            sent_at: Timestamp(5),
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        assert_eq!(text, r#"{"id":"12.3","sender":"ping","to":{"topic":"news"},"body":{"hex":"0102ff"},"sent_at":5}"#);
        assert!(serde_json::from_str::<MessageId>(r#""12""#).is_err());
    }
}
