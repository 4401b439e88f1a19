//! The attempt of a host for tests: its age, how full the model's context is, and what the agent told.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use crate::{Attachment, Error, bindings::agent::longhaul::plugin::logging::Level, context::Usage};

/// The attempt that the agent under test works in.
#[derive(Default)]
pub(crate) struct Attempt {
    age: Cell<Duration>,
    context: Cell<Option<(u64, u64)>>,
    log: RefCell<Vec<(Level, String)>>,
    notes: RefCell<Vec<String>>,
    waits: RefCell<Vec<Duration>>,
    attached: RefCell<Vec<(Attachment, Vec<u8>)>>,
}

impl Attempt {
    pub(crate) fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    pub(crate) fn progress(&self, _: u64, _: Option<u64>, note: &str) {
        self.notes.borrow_mut().push(note.to_owned());
    }

    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        self.attached.borrow().iter().map(|(attachment, _)| attachment.clone()).collect()
    }

    pub(crate) fn read_attachment(&self, name: &str) -> Result<Vec<u8>, Error> {
        let attached = self.attached.borrow();
        let found = attached.iter().find(|(attachment, _)| attachment.name == name);
        let unknown = || Error::Invalid(format!("the task has no attachment `{name}`"));
        found.map(|(_, content)| content.clone()).ok_or_else(unknown)
    }

    pub(super) fn attach(&self, name: &str, media_type: &str, content: &[u8]) {
        let attachment = Attachment {
            name: name.to_owned(),
            source: if media_type.starts_with("image/") { "image" } else { "file" }.to_owned(),
            media_type: media_type.to_owned(),
            size: content.len() as u64,
            digest: String::new(),
        };
        self.attached.borrow_mut().push((attachment, content.to_vec()));
    }

    pub(crate) fn pause(&self, span: Duration) {
        self.waits.borrow_mut().push(span);
        self.age.set(self.age.get() + span);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            fuel_used: 0,
            fuel_limit: u64::MAX,
            memory_used: 0,
            memory_limit: u64::MAX,
            elapsed: self.age.get(),
            time_limit: Duration::MAX,
            instance_age: self.age.get(),
            context_used: self.context.get().map(|(used, _)| used),
            context_window: self.context.get().map(|(_, window)| window),
        }
    }

    pub(super) fn set_age(&self, age: Duration) {
        self.age.set(age);
    }

    pub(super) fn set_context(&self, used: u64, window: u64) {
        self.context.set(Some((used, window)));
    }

    pub(super) fn log_lines(&self) -> Vec<String> {
        let shown = |level: &Level| matches!(level, Level::Info | Level::Warn | Level::Error);
        self.log.borrow().iter().filter(|(level, _)| shown(level)).map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    pub(super) fn waits(&self) -> Vec<Duration> {
        self.waits.borrow().clone()
    }
}
