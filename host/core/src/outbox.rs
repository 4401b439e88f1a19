//! [`Outbox`]: what one attempt has held back for others, all capabilities together.

use crate::children::ChildTask;
use crate::id::TaskId;
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
}

impl Outbox {
    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.spawned.is_empty() && self.cancelled.is_empty()
    }
}
