//! What was captured for the tasks of the run, as far as the record says: each task's attachments, for all of its attempts.

use crate::history::History;
use longhaul_core::attachment::Captured;
use longhaul_core::digest::Digest;
use longhaul_core::id::TaskId;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was captured, and for which attempt it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The number of the attempt that has it in its part of the record.
    pub(crate) attempt: u32,
    pub(crate) what: Arc<Captured>,
}

/// The captures of a run.
#[derive(Debug, Default)]
pub(crate) struct Captures(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_task: HashMap<TaskId, Capture>,
    /// All trees that the record names, also those of tries that the run went back behind: auditors may look at them.
    trees: BTreeSet<Digest>,
}

impl Captures {
    /// What was captured for a task; none where nothing was yet.
    pub(crate) fn of(&self, task: &TaskId) -> Option<Capture> {
        self.lock().by_task.get(task).cloned()
    }

    /// This is in the record now.
    pub(crate) fn add(&self, task: &TaskId, capture: Capture) {
        let mut known = self.lock();
        known.trees.insert(capture.what.tree);
        known.by_task.insert(task.clone(), capture);
    }

    /// What the record says, and nothing else.
    pub(crate) fn restore(&self, history: &History) {
        let captured = |task: &TaskId| Some((task.clone(), history.tasks.get(task)?.captured.clone()?));
        let by_task = history.tasks.keys().filter_map(captured).collect();
        *self.lock() = Known { by_task, trees: history.captured.clone() };
    }

    /// The trees of all of them.
    pub(crate) fn trees(&self) -> Vec<Digest> {
        self.lock().trees.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change of it is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
