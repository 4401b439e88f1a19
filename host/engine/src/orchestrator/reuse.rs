//! Equal work is done once: a task that would do what another one of the run did takes its output instead.
//!
//! Work is equal where component, configuration, input, grant and limits are ([`key`](Dispatcher::work_key), which is recorded with the attempt),
//! and the files that the grant lets it read. Only where a second task has the key of a first are files looked at, and only
//! where the two began with different versions.
//!
//! ```text
//!            nobody did it ──────────────────────────► an attempt
//!   begin ─┬ somebody does it, and may write nothing ► waits for its end, then begins again
//!          └ somebody did it ──► same files? ──yes───► Reused, completed
//!                                     └──────no──────► an attempt
//! ```
//!
//! Only an attempt that left nothing but its output is reused: one instance, no changed file, nothing sent, asked for or asked outside. What
//! agents are told apart from their input, their task's name for example, is not part of the key.

use super::dispatcher::Dispatcher;
use super::events::Event;
use crate::error::Halt;
use crate::executor::{Access, Ended, Ending, Work};
use crate::history::Reusable;
use crate::ports::JournalError;
use crate::shared::Shared;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::grant::Grant;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::state::{TaskEvent, TaskState};
use longhaul_core::workflow::model::TaskSpec;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of work that was done or is under way, by its key.
#[derive(Debug, Default)]
pub(super) struct Reuse {
    /// What the keys of an agent's work on a task have in common, and whether it may write.
    common: HashMap<(Name, Name), Option<(Digest, bool)>>,
    known: HashMap<Digest, Known>,
    seen: Arc<Seen>,
}

/// What grants let be seen of versions, by both: tasks that look for the same look at the same.
#[derive(Debug, Default)]
struct Seen(Mutex<HashMap<(Digest, Digest), Digest>>);

/// So many of them are kept: there are few versions and grants that are compared at a time.
const MAX_SEEN: usize = 64;

#[derive(Debug)]
enum Known {
    /// It is under way, and these wait for it.
    UnderWay(Vec<TaskId>),
    /// It was done.
    Done(Reusable),
    /// It was tried, and left more or less than an output: everybody does it himself.
    Useless,
}

/// What a task with a key does.
pub(super) enum Turn {
    /// It waits for an equal one.
    Waits,
    /// It looks whether this is what it would do.
    Looks(Reusable),
    /// It is done.
    Works,
}

impl Dispatcher {
    /// What the record of an earlier process says to be done.
    pub(super) fn restore_reuse(&mut self, reusable: &HashMap<Digest, Reusable>) {
        let done = reusable.iter().map(|(key, reusable)| (*key, Known::Done(reusable.clone())));
        self.reuse.known.extend(done);
    }

    /// The key of some work; none where nobody else may do with what comes of it.
    pub(super) fn work_key(&mut self, work: &Work, name: &Name, spec: &TaskSpec) -> Option<Digest> {
        if !spec.reuse || work.verify || work.validator.is_some() || work.state.is_some() {
            return None;
        }
        let shared = &self.shared;
        let common = self.reuse.common.entry((work.agent.clone(), name.clone()));
        let (common, _) = (*common.or_insert_with(|| common_key(shared, work)))?;
        let input = serde_json::to_vec(&work.input).ok()?;
        Some(Digest::of(&[common.as_bytes().as_slice(), &input].concat()))
    }

    /// What a task does whose work has this key.
    pub(super) fn turn(&mut self, task: &TaskId, name: &Name, agent: &Name, key: Digest) -> Turn {
        let may_write =
            self.reuse.common.get(&(agent.clone(), name.clone())).is_none_or(|common| common.is_none_or(|(_, w)| w));
        match self.reuse.known.get_mut(&key) {
            Some(Known::UnderWay(waiting)) => {
                waiting.push(task.clone());
                Turn::Waits
            }
            Some(Known::Done(reusable)) => Turn::Looks(reusable.clone()),
            Some(Known::Useless) => Turn::Works,
            None => {
                // Whoever may write will likely do so, and others would have waited for nothing.
                if !may_write {
                    self.reuse.known.insert(key, Known::UnderWay(Vec::new()));
                }
                Turn::Works
            }
        }
    }

    /// Looks whether what was done is what this would do; until that is known the task holds its slot.
    pub(super) fn look(&mut self, task: &TaskId, work: Work, reusable: Reusable) {
        let (shared, seen, task) = (self.shared.clone(), self.reuse.seen.clone(), task.clone());
        self.flight.spawn(async move {
            let found = shared.stop.unless(found(&shared, &seen, &work, &reusable)).await;
            Ok(match found.transpose()? {
                Some(output) => Event::Looked(task, Box::new(work), output.map(|output| (reusable.attempt, output))),
                None => Event::Dropped,
            })
        });
    }

    /// It was looked whether a task's work was done before.
    pub(super) fn looked(&mut self, task: &TaskId, work: Work, found: Option<(AttemptId, Value)>) -> Result<(), Halt> {
        let agent = self.book.facts(task)?.agent.clone();
        if self.book.state(task).is_some_and(TaskState::is_final) {
            // It was cancelled meanwhile.
            self.release(&agent);
            return Ok(());
        }
        let room = &self.shared.room;
        // Where there is no room for it, its own attempt says so.
        let found = found.filter(|(_, output)| !work.is_read || room.admit(output).is_ok());
        let Some((from, output)) = found else {
            if self.ending.is_some() {
                // Nothing new begins any more. A run that goes on begins it as one whose process ended here.
                self.release(&agent);
                return Ok(());
            }
            return self.execute(task, work);
        };
        tracing::info!(run = %self.shared.run, %task, %from, "equal work was done before, and its output is taken");
        self.book.facts(task)?.reused = Some(from.clone());
        self.shared.ledger.task(task, Entry::Reused { from, output: output.clone() })?;
        self.release(&agent);
        self.apply(task, TaskEvent::Complete, Some(output))
    }

    /// A try whose work has this key has ended, or waits: those who waited for it have their turn.
    pub(super) fn no_longer_under_way(&mut self, task: &TaskId, key: Digest, ended: &Ended) -> Result<(), Halt> {
        let completed = matches!(ended.ending, Ending::Completed(_));
        let was_cancelled = self.book.state(task).is_some_and(TaskState::is_final);
        let reusable = lone(task, ended).filter(|_| completed && !was_cancelled);
        // Nobody waits twice, or a thousand that fail would wait for each other in turn.
        let known = reusable.map_or(Known::Useless, Known::Done);
        if let Some(Known::UnderWay(waiting)) = self.reuse.known.insert(key, known) {
            for task in waiting {
                self.book.put_back(&task)?;
            }
        }
        Ok(())
    }
}

/// What others can take of a try that has completed: of one that left nothing but its output.
fn lone(task: &TaskId, ended: &Ended) -> Option<Reusable> {
    let is_lone = ended.attempts == 1 && ended.usage.outside == 0 && ended.changes.is_empty();
    let attempt = AttemptId { task: task.clone(), number: ended.script.number };
    Some(Reusable { attempt, after: ended.script.after, base: ended.base.as_ref()?.version() }).filter(|_| is_lone)
}

/// What the keys of all elements of a task have in common.
fn common_key(shared: &Shared, work: &Work) -> Option<(Digest, bool)> {
    let agent = shared.agents.get(&work.agent)?;
    let grant = grant(shared, work)?;
    let layers: Vec<_> = grant.layers().collect();
    let common = serde_json::to_vec(&(agent.info.digest, &agent.config, layers, &work.limits)).ok()?;
    Some((Digest::of(&common), grant.may_write()))
}

fn grant(shared: &Shared, work: &Work) -> Option<Grant> {
    let asks = &shared.agents.get(&work.agent)?.info.asks;
    let policy = shared.policy.as_ref();
    shared.grants.get(&work.agent, &work.task, Access::Granted, asks, policy, &work.permissions).ok()
}

/// The output of what was done, where `work` would do the same now.
async fn found(shared: &Shared, seen: &Seen, work: &Work, done: &Reusable) -> Result<Option<Value>, JournalError> {
    let now = shared.head.version();
    let _in_use = shared.in_use.hold(now);
    if now != done.base {
        let Some(grant) = grant(shared, work) else { return Ok(None) };
        let (before, after) = (seen.of(shared, done.base, &grant).await, seen.of(shared, now, &grant).await);
        // A version that is gone cannot be compared with.
        if before.is_none() || before != after {
            return Ok(None);
        }
    }
    // What this process recorded may be on its way to the disk still.
    shared.ledger.flush().await?;
    shared.ledger.output(&done.attempt, done.after)
}

impl Seen {
    /// What `grant` lets be seen of a version; none where that cannot be found out.
    async fn of(&self, shared: &Shared, version: Digest, grant: &Grant) -> Option<Digest> {
        let layers: Vec<_> = grant.layers().collect();
        let key = (version, Digest::of(&serde_json::to_vec(&layers).ok()?));
        if let Some(known) = self.lock().get(&key) {
            return Some(*known);
        }
        let seen = shared.ports.workspace.inputs(version, grant).await.ok()?;
        let mut known = self.lock();
        if known.len() >= MAX_SEEN {
            known.clear();
        }
        known.insert(key, seen);
        Some(seen)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Digest, Digest), Digest>> {
        // What is put in is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
