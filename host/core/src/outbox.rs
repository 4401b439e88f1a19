//! [`Outbox`]: what one attempt has held back for others, all capabilities together.

use crate::children::ChildTask;
use crate::id::{Name, TaskId};
use crate::memory::MemoryWrite;
use crate::messages::{MessageId, Sent};
use crate::people::Asked;
use serde::{Deserialize, Serialize};

/// What an attempt has held back for others, and makes known in one step: it is part of the one entry that says so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// Tasks that it asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spawned: Vec<ChildTask>,
    /// Children that it does not want any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<TaskId>,
    /// Messages that it sends, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
    /// Messages that it has received, and that nobody receives again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<MessageId>,
    /// A topic that its task receives from now on; that stands in an entry of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<Name>,
    /// What it changed in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<MemoryWrite>,
    /// What it asks a person, and waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl Outbox {
    /// Whether others may be waiting for something of it.
    pub fn is_awaited(&self) -> bool {
        !self.spawned.is_empty() || !self.cancelled.is_empty() || !self.sent.is_empty()
    }

    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        let Self { spawned, cancelled, sent, received, subscribed, memory, asked } = self;
        let is_of_run = spawned.is_empty() && cancelled.is_empty() && sent.is_empty() && received.is_empty();
        is_of_run && subscribed.is_none() && memory.is_empty() && asked.is_none()
    }
}
