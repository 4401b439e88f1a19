//! The questions of one attempt: each is published with everything else that is held back.

use super::Desk;
use crate::transcript::{Fault, told};
use longhaul_core::attempt::RecordError;
use longhaul_core::entry::Entry;
use longhaul_core::outbox::Outbox;
use longhaul_core::people::{Answer, People, Question};

impl Desk {
    fn ask_people(&self, question: Question) -> Result<u32, Fault> {
        let before = |entry: &Entry| match entry {
            Entry::Published(Outbox { asked: Some(asked), .. }) if asked.question == question => Some(asked.number),
            _ => None,
        };
        if let Some(number) = self.transcript.take(self.attempt.number, before)? {
            self.was_published();
            return Ok(number);
        }
        let note = |asked| self.note(|outbox| Entry::Published(Outbox { asked: Some(asked), ..outbox }));
        let number = self.shared.forum.ask(&self.attempt.task, question, note)?;
        self.published();
        Ok(number)
    }
}

impl People for Desk {
    fn ask(&self, question: Question) -> Result<Option<u32>, RecordError> {
        self.ask_people(question).map(Some).map_err(told)
    }

    fn answer(&self, number: u32) -> Option<Answer> {
        self.shared.forum.answer(&self.attempt.task, number)
    }
}
