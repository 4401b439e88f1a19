//! Content that tries under way need when they are done again: what commands left, for example.
//!
//! The record says of each piece, before it says of the action that it belongs to, that it is kept. It is, until the try is over.

use crate::history::History;
use longhaul_core::digest::Digest;
use longhaul_core::id::TaskId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The trees of content that are kept, by task.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<HashMap<TaskId, Vec<Digest>>>);

impl Kept {
    /// From now on the try at `task` needs this one too.
    pub(crate) fn keep(&self, task: &TaskId, tree: Digest) {
        let mut kept = self.lock();
        let trees = kept.entry(task.clone()).or_default();
        if !trees.contains(&tree) {
            trees.push(tree);
        }
    }

    /// The try at `task` is over, or what it did so far is not done again.
    pub(crate) fn forget(&self, task: &TaskId) {
        self.lock().remove(task);
    }

    /// What the record says is kept, and nothing else.
    pub(crate) fn restore(&self, history: &History) {
        let open = history.tasks.iter().filter(|(_, known)| known.works_on().is_some() && !known.kept.is_empty());
        *self.lock() = open.map(|(task, known)| (task.clone(), known.kept.clone())).collect();
    }

    /// All of it.
    pub(crate) fn trees(&self) -> Vec<Digest> {
        self.lock().values().flatten().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Vec<Digest>>> {
        // Every change of it is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
