//! The messages of one attempt: what it sends and receives is held back with everything else.

use super::Desk;
use crate::mail::{Size, weight};
use crate::transcript::{Fault, told};
use longhaul_core::attempt::RecordError;
use longhaul_core::entry::Entry;
use longhaul_core::id::Name;
use longhaul_core::messages::{MAX_BODY, Mailbox, Message, MessageError, Recipient, Sent};
use longhaul_core::payload::Payload;
use longhaul_core::reach::BoxFuture;
use std::sync::Arc;

/// The mail of an attempt that nobody knows of yet.
#[derive(Default)]
pub(super) struct Held {
    /// How much it sends.
    sent: Size,
    /// What it received.
    received: Vec<Arc<Message>>,
    /// Whether the attempt is over: what comes late is not received.
    is_over: bool,
}

impl Desk {
    /// What was received is gone for good.
    pub(super) fn settle_mail(&self) {
        let letters = {
            let mail = &mut self.lock().mail;
            mail.sent = Size::default();
            std::mem::take(&mut mail.received)
        };
        self.shared.mail.settle(&self.attempt.task, &letters);
    }

    /// The attempt is over: what it received and did not settle is received again by the next one.
    pub(in crate::executor) fn give_mail_back(&self) {
        let letters = {
            let mail = &mut self.lock().mail;
            mail.is_over = true;
            std::mem::take(&mut mail.received)
        };
        self.shared.mail.give_back(&self.attempt.task, letters);
    }

    fn hold(&self, to: Recipient, body: Payload) {
        let held = &mut *self.lock();
        held.mail.sent.messages += 1;
        held.mail.sent.bytes += weight(body.len());
        held.outbox.sent.push(Sent { to, body });
    }

    fn subscribe_to(&self, topic: &Name) -> Result<Result<(), MessageError>, Fault> {
        let number = self.attempt.number;
        let before = |entry: &Entry| match entry {
            Entry::Published(outbox) if outbox.subscribed.as_ref() == Some(topic) => Some(()),
            _ => None,
        };
        if self.transcript.take(number, before)?.is_some() || !self.transcript.is_live() {
            return Ok(Ok(()));
        }
        let note = |outbox| self.transcript.note(number, Entry::Published(outbox));
        self.shared.mail.subscribe(&self.attempt.task, topic, note)
    }

    fn next_message(&self) -> Result<Option<Message>, Fault> {
        self.replay_publication()?;
        if !self.transcript.is_live() {
            return Ok(None);
        }
        // Whoever asks again has seen to what it was told before, and others may wait for what it sends.
        if self.lock().outbox.is_awaited() {
            self.publish_now()?;
        }
        if let Some(message) = self.receive() {
            return Ok(Some(message));
        }
        self.publish_now()?;
        // Something may have come meanwhile.
        Ok(self.receive())
    }

    fn receive(&self) -> Option<Message> {
        let held = &mut *self.lock();
        if held.mail.is_over {
            return None;
        }
        let letter = self.shared.mail.next(&self.attempt.task)?;
        held.outbox.received.push(letter.id);
        let message = Message::clone(&letter);
        held.mail.received.push(letter);
        Some(message)
    }
}

impl Mailbox for Desk {
    fn send(&self, to: Recipient, body: Payload) -> Result<(), MessageError> {
        if body.len() as u64 > MAX_BODY.0 {
            let length = body.len();
            return Err(MessageError::Invalid(format!(
                "`body` has {length} bytes, more than the {} (64 KiB) of a message; write what is large to a file, and send its path",
                MAX_BODY.0
            )));
        }
        {
            let held = self.lock();
            self.shared.mail.admit(&to, body.len(), held.mail.sent, &held.places)?;
        }
        self.hold(to, body);
        Ok(())
    }

    fn send_again(&self, to: Recipient, body: Payload) {
        self.hold(to, body);
    }

    fn subscribe(&self, topic: &Name) -> Result<Result<(), MessageError>, RecordError> {
        self.subscribe_to(topic).map_err(told)
    }

    fn next(&self) -> Result<Option<Message>, RecordError> {
        self.next_message().map_err(told)
    }

    fn next_again(&self, message: &Message) {
        let held = &mut *self.lock();
        held.outbox.received.push(message.id);
        // Where the record says already that it was received, it is not there.
        held.mail.received.extend(self.shared.mail.take(&self.attempt.task, message.id));
    }

    fn arrived(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.mail.arrived(&self.attempt.task))
    }
}
