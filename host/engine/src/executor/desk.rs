//! What one attempt asks of others: held back here, and published in one entry with a commit or before a wait.
//!
//! Its writes to memory lie here too, see [`Notes`].

mod mail;
mod people;
mod workers;

use super::notes::Notes;
use crate::board::size;
use crate::shared::Shared;
use crate::transcript::{Fault, Noted, Transcript, told};
use longhaul_core::attempt::RecordError;
use longhaul_core::children::{
    ChildError, ChildStatus, ChildTask, Children, MAX_CHILDREN, MAX_IN_RUN, MAX_INPUTS, MAX_NEEDS, NewChild,
};
use longhaul_core::entry::Entry;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::outbox::Outbox;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use workers::workers;

/// The desk of one attempt.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    transcript: Arc<Transcript>,
    pub(super) attempt: AttemptId,
    held: Mutex<Held>,
}

/// What is held back.
#[derive(Default)]
pub(super) struct Held {
    outbox: Outbox,
    /// The places of the tasks that are held back.
    places: HashMap<TaskId, usize>,
    /// Bytes of their inputs.
    bytes: usize,
    mail: mail::Held,
    /// What it wrote to memory.
    pub(super) notes: Notes,
}

impl Desk {
    pub(super) fn new(shared: &Arc<Shared>, transcript: &Arc<Transcript>, attempt: &AttemptId) -> Arc<Self> {
        let (shared, transcript) = (Arc::clone(shared), Arc::clone(transcript));
        Arc::new(Self { shared, transcript, attempt: attempt.clone(), held: Mutex::default() })
    }

    /// What is held back now.
    pub(super) fn outbox(&self) -> Outbox {
        let held = self.lock();
        Outbox { memory: held.notes.writes(), ..held.outbox.clone() }
    }

    /// Whether nothing is held back.
    pub(super) fn is_clear(&self) -> bool {
        let held = self.lock();
        held.outbox.is_empty() && held.notes.is_empty()
    }

    /// Notes the entry that `make` makes of what is held back. What is in it for the mail is delivered with that; the rest becomes known
    /// by [`Desk::published`].
    pub(super) fn note(&self, make: impl FnOnce(Outbox) -> Entry) -> Result<Noted, Fault> {
        let outbox = self.outbox();
        let entry = make(outbox.clone());
        self.shared.mail.post(&self.attempt.task, &outbox, || {
            let noted = self.transcript.note(self.attempt.number, entry)?;
            // Before anybody is told of anything in it: whoever is told and then reads memory has to find what came with that.
            if !outbox.memory.is_empty() {
                self.shared.readable.published();
            }
            Ok(noted)
        })
    }

    /// What was held back is in the record, as part of an entry that was made just now.
    pub(super) fn published(&self) {
        self.shared.board.publish(self.clear());
    }

    /// What was held back was in the record already.
    pub(super) fn was_published(&self) {
        self.clear();
    }

    fn clear(&self) -> Outbox {
        self.settle_mail();
        let held = &mut *self.lock();
        held.places.clear();
        held.bytes = 0;
        held.notes = Notes::default();
        std::mem::take(&mut held.outbox)
    }

    fn publish_before_wait(&self) -> Result<(), Fault> {
        match self.replay_publication()? {
            true => Ok(()),
            false => self.publish_now(),
        }
    }

    /// Takes it out of the record where that says next that what is held back was published; tells whether it did.
    fn replay_publication(&self) -> Result<bool, Fault> {
        let published = |entry: &Entry| match entry {
            Entry::Published(outbox) if outbox.subscribed.is_none() && outbox.asked.is_none() => Some(()),
            _ => None,
        };
        let was = self.transcript.take(self.attempt.number, published)?.is_some();
        if was {
            self.was_published();
        }
        Ok(was)
    }

    fn publish_now(&self) -> Result<(), Fault> {
        if self.is_clear() {
            return Ok(());
        }
        // No flush: whatever others do about it comes behind it in the record, and is lost with it or not at all.
        self.note(Entry::Published)?;
        self.published();
        Ok(())
    }

    /// The child of this task that is meant.
    fn known(&self, child: &str) -> Result<TaskId, ChildError> {
        let task = &self.attempt.task;
        TaskId::new(child)
            .ok()
            .filter(|id| id.parent().as_ref() == Some(task))
            .ok_or_else(|| ChildError::Invalid(format!("`{}` is no child of task `{task}`", short(child))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change of it is whole before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds back what is asked for, where it makes sense and `admit` finds room for its input's bytes.
    fn ask(
        &self,
        name: &str,
        new: NewChild,
        admit: impl FnOnce(&Held, usize) -> Result<(), ChildError>,
    ) -> Result<TaskId, ChildError> {
        let mut held = self.lock();
        let child = self.check(name, new, &held)?;
        let id = child.task.clone();
        let of_before = held.places.get(&id).and_then(|place| held.outbox.spawned.get(*place)).cloned();
        match of_before.or_else(|| self.shared.board.child(&id)) {
            Some(before) if before == child => return Ok(id),
            Some(_) => {
                let message = format!("a child `{}` was asked for before, and differently", short(name));
                return Err(ChildError::Invalid(message));
            }
            None => {}
        }
        let bytes = size(&child.input);
        admit(&held, bytes)?;
        held.bytes += bytes;
        let place = held.outbox.spawned.len();
        held.places.insert(id.clone(), place);
        held.outbox.spawned.push(child);
        Ok(id)
    }

    /// What is asked for, checked.
    fn check(&self, name: &str, new: NewChild, held: &Held) -> Result<ChildTask, ChildError> {
        let task = &self.attempt.task;
        let named = |text: &str| Name::new(text).map_err(|error| ChildError::Invalid(error.to_string()));
        let of_name = |text: &str| task.child(&named(text)?).map_err(|error| ChildError::Invalid(error.to_string()));
        if name.starts_with('_') {
            return Err(ChildError::Invalid(format!(
                "`{}` begins with `_`, as names of the host's own do",
                short(name)
            )));
        }
        let (agent, or) = workers(&self.shared.agents, &new.worker)?;
        if new.needs.len() > MAX_NEEDS {
            let found = new.needs.len();
            return Err(ChildError::Invalid(format!("it needs {found} others, and {MAX_NEEDS} are allowed at most")));
        }
        let mut needs = Vec::new();
        for need in &new.needs {
            let id = of_name(need)?;
            if !held.places.contains_key(&id) && !self.shared.board.has(&id) {
                let need = short(need);
                return Err(ChildError::Invalid(format!("it needs `{need}`, which was not asked for before")));
            }
            if !needs.contains(&id) {
                needs.push(id);
            }
        }
        Ok(ChildTask { task: of_name(name)?, agent, or, input: new.input, needs, priority: new.priority })
    }
}

impl Children for Desk {
    fn spawn(&self, name: &str, new: NewChild) -> Result<TaskId, ChildError> {
        self.ask(name, new, |held, bytes| {
            let board = &self.shared.board;
            let asked = held.outbox.spawned.len();
            if board.count(&self.attempt.task) + asked >= MAX_CHILDREN || board.total() + asked >= MAX_IN_RUN {
                return Err(ChildError::TooMany);
            }
            if board.bytes() + held.bytes + bytes > MAX_INPUTS {
                return Err(ChildError::TooMuch);
            }
            Ok(())
        })
    }

    fn ask_again(&self, name: &str, new: NewChild) {
        // What fails now failed then, and was no child.
        drop(self.ask(name, new, |_, _| Ok(())));
    }

    fn status(&self, child: &str) -> Result<ChildStatus, ChildError> {
        let id = self.known(child)?;
        if self.lock().places.contains_key(&id) {
            return Ok(ChildStatus::Pending);
        }
        let unknown = || ChildError::Invalid(format!("task `{}` has no child `{id}`", self.attempt.task));
        self.shared.board.status(&id).ok_or_else(unknown)
    }

    fn cancel(&self, child: &str) -> Result<(), ChildError> {
        let status = self.status(child)?;
        let id = self.known(child)?;
        let mut held = self.lock();
        // One that is held back is published and cancelled in one step, so that others which need it learn of it.
        if !status.has_ended() && !held.outbox.cancelled.contains(&id) {
            held.outbox.cancelled.push(id);
        }
        Ok(())
    }

    fn publish(&self) -> Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send + '_>> {
        Box::pin(std::future::ready(self.publish_before_wait().map_err(told)))
    }
}

/// The beginning of a text that a guest gave.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
