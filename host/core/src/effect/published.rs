//! What an attempt made known to others before it failed: messages, memory, tasks and files that a wait or a checkpoint of its own published.
//! Nothing of it goes with the attempt, so it is part of the evidence of the attempt's incident.
//!
//! `evidence.published` is a list of [`Publication`], oldest first: the first ones and the newest, [`MAX_LISTED`] at most.
//! `evidence.published_omitted` counts those between them. Both are absent where nothing was published.

use super::past::{self, MAX_LISTED, PastEffects};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::id::{Name, TaskId};
use crate::incident::Problem;
use crate::memory::MemoryScope;
use crate::messages::Recipient;
use crate::outbox::Outbox;
use serde::{Deserialize, Serialize};

/// Something that others may have seen by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Publication {
    /// Files, by a checkpoint in the middle of the attempt.
    Files {
        /// How many changed.
        changed: u64,
        /// The workspace version that has them.
        version: Digest,
    },
    /// A message.
    Message {
        /// Whom it went to.
        to: Recipient,
    },
    /// A key of memory that has another value now, or none.
    Memory {
        /// Whose memory.
        scope: MemoryScope,
        /// The key.
        key: String,
    },
    /// A task that it asked for.
    Task {
        /// Which one.
        task: TaskId,
    },
    /// A task that it asked to cancel.
    Cancelled {
        /// Which one.
        task: TaskId,
    },
    /// A topic that its task subscribes to.
    Subscribed {
        /// Which one.
        topic: Name,
    },
    /// A question to a person.
    Question {
        /// Its number in the run.
        number: u32,
    },
}

/// What an attempt published, gathered from its entries as they come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastPublications {
    /// The first of them and the newest, oldest first.
    pub listed: Vec<Publication>,
    /// How many more there were.
    pub omitted: u64,
}

impl PastPublications {
    /// Takes note of an entry of the attempt.
    pub fn note(&mut self, entry: &Entry) {
        match entry {
            // Those that judge its work belong to the attempt that they judge.
            Entry::AttemptStarted { judges: None, .. } => *self = Self::default(),
            Entry::Published(outbox) => self.outbox(outbox),
            Entry::Committed { version, changes, published, .. } => {
                if !changes.is_empty() {
                    self.add(Publication::Files { changed: changes.len() as u64, version: *version });
                }
                self.outbox(published);
            }
            _ => {}
        }
    }

    fn outbox(&mut self, outbox: &Outbox) {
        // What it received concerns nobody else.
        let Outbox { spawned, cancelled, sent, received: _, subscribed, memory, asked } = outbox;
        spawned.iter().for_each(|child| self.add(Publication::Task { task: child.task.clone() }));
        cancelled.iter().for_each(|task| self.add(Publication::Cancelled { task: task.clone() }));
        sent.iter().for_each(|sent| self.add(Publication::Message { to: sent.to.clone() }));
        subscribed.iter().for_each(|topic| self.add(Publication::Subscribed { topic: topic.clone() }));
        memory.iter().for_each(|write| {
            self.add(Publication::Memory { scope: write.scope, key: past::shown(&write.key) });
        });
        asked.iter().for_each(|asked| self.add(Publication::Question { number: asked.number }));
    }

    fn add(&mut self, publication: Publication) {
        if self.listed.len() == MAX_LISTED {
            self.listed.pop();
            self.omitted += 1;
        }
        self.listed.push(publication);
    }

    /// The problem with what was published as part of its evidence.
    #[must_use]
    pub fn listed_in(&self, problem: Problem) -> Problem {
        past::listed_in(problem, "published", &self.listed, self.omitted)
    }

    /// What `problem` lists.
    pub fn of(problem: &Problem) -> Self {
        let (listed, omitted) = past::of(problem, "published");
        Self { listed, omitted }
    }
}

/// What is left of an attempt that failed: what it did outside, and what it published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// What it did outside.
    pub effects: PastEffects,
    /// What it published.
    pub published: PastPublications,
}

impl Remains {
    /// Takes note of an entry of attempt `number`.
    pub fn note(&mut self, number: u32, entry: &Entry) {
        self.effects.note(number, entry);
        self.published.note(entry);
    }

    /// The problem with all that as part of its evidence.
    #[must_use]
    pub fn listed_in(&self, problem: Problem) -> Problem {
        self.published.listed_in(self.effects.listed_in(problem))
    }
}
