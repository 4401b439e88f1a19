//! What all attempts of a run see of the tasks that were spawned, and how they tell of new ones.
//!
//! The dispatcher keeps it up to date; attempts look at it, and post what they published. A child's output is kept while its
//! parent is open, because only the parent reads it.

use crate::room::{Room, weight};
use longhaul_core::children::{ChildStatus, ChildTask};
use longhaul_core::id::TaskId;
use longhaul_core::outbox::Outbox;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The spawned tasks of a run.
pub(crate) struct Board {
    /// That of outputs which are kept.
    room: Arc<Room>,
    posted: Mutex<All>,
    /// Bounded by what one attempt may spawn, and by how many attempts are under way.
    published: UnboundedSender<Outbox>,
    arrivals: Mutex<Option<UnboundedReceiver<Outbox>>>,
}

#[derive(Default)]
struct All {
    children: HashMap<TaskId, Posted>,
    /// How many children each task has.
    counts: HashMap<TaskId, usize>,
    /// Bytes of the inputs of all of them.
    bytes: usize,
    /// How many there were in the run.
    total: usize,
}

struct Posted {
    child: ChildTask,
    bytes: usize,
    status: ChildStatus,
}

impl Board {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        let (published, arrivals) = unbounded_channel();
        Self { room, posted: Mutex::default(), published, arrivals: Mutex::new(Some(arrivals)) }
    }

    /// What is published from now on; there is one reader.
    pub(crate) fn arrivals(&self) -> UnboundedReceiver<Outbox> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A second reader would find a channel that nobody writes to.
        arrivals.unwrap_or_else(|| unbounded_channel().1)
    }

    /// Makes known what the record has now.
    pub(crate) fn publish(&self, outbox: Outbox) {
        if outbox.spawned.is_empty() && outbox.cancelled.is_empty() {
            return;
        }
        self.enter(&outbox);
        // An error means that the run is over, and nobody is to be told.
        let _ = self.published.send(outbox);
    }

    /// The same, of what the dispatcher knows already.
    pub(crate) fn enter(&self, outbox: &Outbox) {
        let All { children, counts, bytes, total } = &mut *self.lock();
        for child in &outbox.spawned {
            children.entry(child.task.clone()).or_insert_with(|| {
                if let Some(parent) = child.task.parent() {
                    *counts.entry(parent).or_default() += 1;
                }
                let size = size(&child.input);
                *bytes += size;
                *total += 1;
                Posted { child: child.clone(), bytes: size, status: ChildStatus::Pending }
            });
        }
    }

    /// A child stands differently now.
    pub(crate) fn update(&self, task: &TaskId, status: ChildStatus) {
        if let Some(posted) = self.lock().children.get_mut(task) {
            self.room.take(weight_of(&status));
            self.room.give_back(weight_of(&posted.status));
            posted.status = status;
        }
    }

    /// How a child stands; none where there is no such child.
    pub(crate) fn status(&self, task: &TaskId) -> Option<ChildStatus> {
        self.lock().children.get(task).map(|posted| posted.status.clone())
    }

    /// Whether there is such a child.
    pub(crate) fn has(&self, task: &TaskId) -> bool {
        self.lock().children.contains_key(task)
    }

    /// The child as it was asked for.
    pub(crate) fn child(&self, task: &TaskId) -> Option<ChildTask> {
        self.lock().children.get(task).map(|posted| posted.child.clone())
    }

    /// How many children a task has.
    pub(crate) fn count(&self, parent: &TaskId) -> usize {
        self.lock().counts.get(parent).copied().unwrap_or_default()
    }

    /// How many children there were in the run.
    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    /// Bytes of the inputs of all children whose parents are open.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Lets go what only the parent of `children` would read.
    pub(crate) fn forget<'a>(&self, children: impl Iterator<Item = &'a TaskId>) {
        let mut posted = self.lock();
        for child in children {
            if let Some(gone) = posted.children.remove(child) {
                posted.bytes -= gone.bytes;
                self.room.give_back(weight_of(&gone.status));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a child's input as JSON.
pub(crate) fn size(input: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A value is always JSON, and counting does not fail.
    drop(serde_json::to_writer(&mut count, input));
    count.0
}

/// What the output of a child takes, where it has one.
fn weight_of(status: &ChildStatus) -> u64 {
    match status {
        ChildStatus::Completed(output) => weight(output),
        _ => 0,
    }
}
