//! Memory that outlives the attempt: what agents keep under keys, who shares it, and what one attempt may ask of it.
//!
//! Writes are held back until the attempt commits or waits, like everything that it does for others; its own reads see them at
//! once. What is published belongs to a [`MemorySpace`]: to a task or a run, and then it goes back with the run and along into
//! its forks; or to a workflow, and then all of its runs share it, and none of them takes it back.

mod find;

pub use find::{Finder, Found, Hit, MAX_SEARCHED, each_word, searched};

use crate::attempt::RecordError;
use crate::id::{Name, RunId, TaskId};
use crate::payload::Payload;
use crate::reach::{BoxFuture, ServiceError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of a key.
pub const MAX_KEY: usize = 512;
/// The most bytes of a value.
pub const MAX_VALUE: usize = 1 << 20;
/// The most bytes that one attempt holds back: they are in the host's memory, and become part of one entry of the record.
pub const MAX_HELD: usize = 16 << 20;
/// The most writes that one attempt holds back: all of them are made in one step.
pub const MAX_WRITES: usize = 10_000;
/// The most keys that one call lists.
pub const MAX_KEYS: usize = 1_000;
/// The most hits of one search.
pub const MAX_HITS: usize = 100;
/// The most bytes of a query.
pub const MAX_QUERY: usize = 4 << 10;
/// What a memory takes beside its key and its value.
pub const OVERHEAD: usize = 64;

/// Who shares a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryScope {
    /// All attempts of one task.
    Task,
    /// All tasks of one run.
    Run,
    /// All runs of one workflow in this state folder.
    Workflow,
}

impl MemoryScope {
    /// All of them.
    pub const ALL: [MemoryScope; 3] = [MemoryScope::Task, MemoryScope::Run, MemoryScope::Workflow];

    /// Its name in permissions and records.
    pub fn as_str(self) -> &'static str {
        match self {
            MemoryScope::Task => "task",
            MemoryScope::Run => "run",
            MemoryScope::Workflow => "workflow",
        }
    }

    /// What there may be in one space of this scope.
    pub fn quota(self) -> Room {
        match self {
            MemoryScope::Task => Room { keys: 10_000, bytes: 16 << 20 },
            MemoryScope::Run => Room { keys: 200_000, bytes: 128 << 20 },
            MemoryScope::Workflow => Room { keys: 200_000, bytes: 256 << 20 },
        }
    }
}

impl fmt::Display for MemoryScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Room in a space: that which is there, or that which is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values, with [`OVERHEAD`] for each.
    pub bytes: u64,
}

impl Room {
    /// What one memory takes.
    pub fn of(key: &str, value: usize) -> Self {
        Self { keys: 1, bytes: (key.len() + value + OVERHEAD) as u64 }
    }
}

/// Whose memory it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemorySpace {
    /// One task's of one run.
    Task(RunId, TaskId),
    /// One run's.
    Run(RunId),
    /// One workflow's.
    Workflow(Name),
}

impl MemorySpace {
    /// Its scope.
    pub fn scope(&self) -> MemoryScope {
        match self {
            MemorySpace::Task(..) => MemoryScope::Task,
            MemorySpace::Run(_) => MemoryScope::Run,
            MemorySpace::Workflow(_) => MemoryScope::Workflow,
        }
    }
}

/// A change of one key. An attempt has one of a key at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryWrite {
    /// Whose memory.
    pub scope: MemoryScope,
    /// The key.
    pub key: String,
    /// What it has now; none where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Payload>,
}

/// Why memory does not do what it was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// For a reason that the guest is told.
    #[error(transparent)]
    Refused(#[from] ServiceError),
    /// The record is lost, so the attempt ends.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Which keys are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Those that begin so.
    pub prefix: &'a str,
    /// Those behind this one.
    pub after: Option<&'a str>,
    /// The first so many.
    pub limit: usize,
}

/// The answer of a memory.
pub type Remembered<'a, T> = BoxFuture<'a, Result<T, MemoryError>>;

/// The memory that one attempt reaches.
pub trait Memory: Send + Sync {
    /// The value of a key, none where there is none.
    fn get<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, Option<Payload>>;

    /// Sets a key, where there is room. It is held back until the attempt commits or waits.
    fn set<'a>(&'a self, scope: MemoryScope, key: &'a str, value: Payload) -> Remembered<'a, ()>;

    /// Removes a key, held back in the same way; tells whether there was one.
    fn delete<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, bool>;

    /// Holds back again what was granted to the attempt that is replayed here: a value, or none for a key that goes.
    fn put_again(&self, scope: MemoryScope, key: &str, value: Option<Payload>);

    /// Keys in order.
    fn keys<'a>(&'a self, scope: MemoryScope, wanted: Keys<'a>) -> Remembered<'a, Vec<String>>;

    /// What fits the words of `query` best.
    fn search<'a>(&'a self, scope: MemoryScope, query: &'a str, limit: usize) -> Remembered<'a, Vec<Hit>>;
}

/// For an attempt that has no memory of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemory;

fn only_looks<'a, T: Send + 'a>() -> Remembered<'a, T> {
    let refused = ServiceError::Unavailable("this attempt only looks at the work of another one".to_owned());
    Box::pin(std::future::ready(Err(refused.into())))
}

impl Memory for NoMemory {
    fn get<'a>(&'a self, _: MemoryScope, _: &'a str) -> Remembered<'a, Option<Payload>> {
        only_looks()
    }

    fn set<'a>(&'a self, _: MemoryScope, _: &'a str, _: Payload) -> Remembered<'a, ()> {
        only_looks()
    }

    fn delete<'a>(&'a self, _: MemoryScope, _: &'a str) -> Remembered<'a, bool> {
        only_looks()
    }

    fn put_again(&self, _: MemoryScope, _: &str, _: Option<Payload>) {}

    fn keys<'a>(&'a self, _: MemoryScope, _: Keys<'a>) -> Remembered<'a, Vec<String>> {
        only_looks()
    }

    fn search<'a>(&'a self, _: MemoryScope, _: &'a str, _: usize) -> Remembered<'a, Vec<Hit>> {
        only_looks()
    }
}
