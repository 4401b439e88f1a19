//! The mailboxes of a run's tasks, and who subscribes to which topic.
//!
//! They are a fold over what was published, so a resumed run has them as they were: [`History`](crate::history) makes them of the record, and a
//! run that is under way goes on with them.

use longhaul_core::entry::Position;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::messages::{ENVELOPE, Message, MessageId, Recipient};
use longhaul_core::outbox::Outbox;
use longhaul_core::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// The messages that wait for tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Boxes {
    tasks: HashMap<TaskId, Mailbag>,
    topics: BTreeMap<Name, BTreeSet<TaskId>>,
    /// What all messages take.
    bytes: u64,
}

#[derive(Debug, Clone, Default)]
struct Mailbag {
    letters: VecDeque<Arc<Message>>,
    size: Size,
    topics: usize,
}

/// How much of mail there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) messages: usize,
    pub(crate) bytes: u64,
}

/// Where and when something was published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Postmark {
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
}

impl Boxes {
    /// Delivers what `sender` published; tells to whom. Tasks for which `is_open` does not hold get nothing.
    pub(crate) fn deliver(
        &mut self,
        sender: &TaskId,
        mark: Postmark,
        outbox: &Outbox,
        is_open: impl Fn(&TaskId) -> bool,
    ) -> Vec<TaskId> {
        let mut reached = Vec::new();
        for (place, sent) in outbox.sent.iter().enumerate() {
            let id = MessageId { entry: mark.position.0, place: u32::try_from(place).unwrap_or(u32::MAX) };
            let (sender, to, body) = (sender.clone(), sent.to.clone(), sent.body.clone());
            let letter = Arc::new(Message { id, sender, to, body, sent_at: mark.at });
            let recipients: Vec<TaskId> = match &sent.to {
                Recipient::Task(task) => vec![task.clone()],
                Recipient::Topic(topic) => self.topics.get(topic).into_iter().flatten().cloned().collect(),
            };
            for task in recipients.into_iter().filter(&is_open) {
                let bag = self.tasks.entry(task.clone()).or_default();
                self.bytes += bag.size.add(&letter);
                bag.letters.push_back(Arc::clone(&letter));
                reached.push(task);
            }
        }
        if let Some(topic) = outbox.subscribed.as_ref().filter(|_| is_open(sender))
            && self.topics.entry(topic.clone()).or_default().insert(sender.clone())
        {
            self.tasks.entry(sender.clone()).or_default().topics += 1;
        }
        reached
    }

    /// What `task` received is gone for good.
    pub(crate) fn drop_received(&mut self, task: &TaskId, received: &[MessageId]) {
        for id in received {
            if let Some(letter) = self.take(task, *id) {
                self.settle(task, &letter);
            }
        }
    }

    /// Takes the next message of `task` out of its mailbox. It goes on taking room there until it is settled or given back.
    pub(crate) fn next(&mut self, task: &TaskId) -> Option<Arc<Message>> {
        self.tasks.get_mut(task)?.letters.pop_front()
    }

    /// The same, of a certain message.
    pub(crate) fn take(&mut self, task: &TaskId, id: MessageId) -> Option<Arc<Message>> {
        let letters = &mut self.tasks.get_mut(task)?.letters;
        // They are received in their order, but for what other senders published at the same moment.
        let place = letters.iter().position(|letter| letter.id == id)?;
        letters.remove(place)
    }

    /// A message that was taken out is gone for good.
    pub(crate) fn settle(&mut self, task: &TaskId, letter: &Message) {
        if let Some(bag) = self.tasks.get_mut(task) {
            self.bytes -= bag.size.less(letter);
        }
    }

    /// Puts messages that were taken out before all others, in their order.
    pub(crate) fn give_back(&mut self, task: &TaskId, letters: impl DoubleEndedIterator<Item = Arc<Message>>) {
        if let Some(bag) = self.tasks.get_mut(task) {
            letters.rev().for_each(|letter| bag.letters.push_front(letter));
        }
    }

    /// Nobody works on `task` any more.
    pub(crate) fn end(&mut self, task: &TaskId) {
        let Some(bag) = self.tasks.remove(task) else { return };
        self.bytes -= bag.size.bytes;
        if bag.topics > 0 {
            self.topics.retain(|_, subscribers| {
                subscribers.remove(task);
                !subscribers.is_empty()
            });
        }
    }

    /// Lets go what is for tasks for which `is_open` does not hold.
    pub(crate) fn retain(&mut self, is_open: impl Fn(&TaskId) -> bool) {
        let gone: Vec<TaskId> = self.tasks.keys().filter(|task| !is_open(task)).cloned().collect();
        gone.iter().for_each(|task| self.end(task));
    }

    /// Whether something waits for `task`.
    pub(crate) fn has(&self, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|bag| !bag.letters.is_empty())
    }

    /// How much mail `task` has, with what it received and has not settled.
    pub(crate) fn size(&self, task: &TaskId) -> Size {
        self.tasks.get(task).map(|bag| bag.size).unwrap_or_default()
    }

    /// What all messages take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Who receives what is published on `topic`.
    pub(crate) fn subscribers(&self, topic: &Name) -> impl Iterator<Item = &TaskId> {
        self.topics.get(topic).into_iter().flatten()
    }

    /// Whether `task` subscribes to `topic`, and to how many it does.
    pub(crate) fn topics_of(&self, task: &TaskId, topic: &Name) -> (bool, usize) {
        let has = self.topics.get(topic).is_some_and(|subscribers| subscribers.contains(task));
        (has, self.tasks.get(task).map_or(0, |bag| bag.topics))
    }
}

impl Size {
    fn add(&mut self, letter: &Message) -> u64 {
        let weight = weight(letter.body.len());
        self.messages += 1;
        self.bytes += weight;
        weight
    }

    fn less(&mut self, letter: &Message) -> u64 {
        let weight = weight(letter.body.len());
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(weight);
        weight
    }
}

/// What a message with so many bytes takes.
pub(crate) fn weight(body: usize) -> u64 {
    body as u64 + ENVELOPE
}
