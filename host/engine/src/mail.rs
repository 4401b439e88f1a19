//! The messages of a run that is under way: who may be written to, what waits for whom, who is to be woken.
//!
//! The entry that publishes messages and their delivery are one step, so that mailboxes are always what the record says. The dispatcher
//! tells which tasks there are, and is told whom of those that are suspended a message has come for.

mod boxes;

pub(crate) use boxes::{Boxes, Postmark, Size, weight};

use crate::transcript::{Fault, Noted};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::messages::{
    MAX_IN_RUN, MAX_TOPICS, MAX_WAITING, MAX_WAITING_BYTES, Message, MessageError, MessageId, Recipient,
};
use longhaul_core::outbox::Outbox;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The messages of a run.
pub(crate) struct Mail {
    state: Mutex<State>,
    /// Bounded by the tasks that are suspended: each is told of once in its sleep.
    awake: UnboundedSender<TaskId>,
    woken: Mutex<Option<UnboundedReceiver<TaskId>>>,
}

#[derive(Default)]
struct State {
    boxes: Boxes,
    /// The tasks that somebody works on, or will.
    open: HashSet<TaskId>,
    /// Those of them that are suspended until a message comes.
    asleep: HashSet<TaskId>,
    /// Those whose instance waits for a moment.
    waiting: HashMap<TaskId, Arc<Notify>>,
}

impl Mail {
    /// The mail of a run with these mailboxes, and no task yet.
    pub(crate) fn new(boxes: Boxes) -> Self {
        let (awake, woken) = unbounded_channel();
        let state = State { boxes, ..State::default() };
        Self { state: Mutex::new(state), awake, woken: Mutex::new(Some(woken)) }
    }

    /// The suspended tasks that a message has come for; there is one reader.
    pub(crate) fn woken(&self) -> UnboundedReceiver<TaskId> {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A second reader would find a channel that nobody writes to.
        woken.unwrap_or_else(|| unbounded_channel().1)
    }

    /// There is such a task.
    pub(crate) fn open(&self, task: &TaskId) {
        self.lock().open.insert(task.clone());
    }

    /// Nobody will work on it any more.
    pub(crate) fn end(&self, task: &TaskId) {
        let State { boxes, open, asleep, .. } = &mut *self.lock();
        open.remove(task);
        asleep.remove(task);
        boxes.end(task);
    }

    /// Lets go what is for tasks that there are not.
    pub(crate) fn settle_down(&self) {
        let State { boxes, open, .. } = &mut *self.lock();
        boxes.retain(|task| open.contains(task));
    }

    /// Notes an entry with what `sender` publishes, and delivers that.
    pub(crate) fn post(
        &self,
        sender: &TaskId,
        outbox: &Outbox,
        note: impl FnOnce() -> Result<Noted, Fault>,
    ) -> Result<Noted, Fault> {
        let State { boxes, open, asleep, waiting } = &mut *self.lock();
        let noted = note()?;
        // What was in the record already was delivered when it came there.
        let Some(position) = noted.position else { return Ok(noted) };
        open.extend(outbox.spawned.iter().map(|child| child.task.clone()));
        let mark = Postmark { position, at: noted.at };
        for task in boxes.deliver(sender, mark, outbox, |task| open.contains(task)) {
            if let Some(waiting) = waiting.get(&task) {
                waiting.notify_one();
            }
            if asleep.remove(&task) {
                // An error means that the run is over, and nobody is to be woken.
                let _ = self.awake.send(task);
            }
        }
        Ok(noted)
    }

    /// Whether there is room for one more message to `to` of somebody who holds `held` back.
    pub(crate) fn admit(
        &self,
        to: &Recipient,
        body: usize,
        held: Size,
        own: &HashMap<TaskId, usize>,
    ) -> Result<(), MessageError> {
        let State { boxes, open, .. } = &*self.lock();
        let mut total = boxes.bytes().saturating_add(held.bytes);
        let mut room_for = |task: &TaskId| {
            let size = boxes.size(task);
            total = total.saturating_add(weight(body));
            if size.messages + held.messages >= MAX_WAITING {
                return full(format!("as many messages wait for task `{task}` as may: {MAX_WAITING}"));
            }
            if size.bytes.saturating_add(held.bytes).saturating_add(weight(body)) > MAX_WAITING_BYTES.0 {
                return full(format!("the messages that wait for task `{task}` take the 16 MiB that they may"));
            }
            match total > MAX_IN_RUN.0 {
                true => full("the messages that wait in this run take the 64 MiB that they may".to_owned()),
                false => Ok(()),
            }
        };
        match to {
            Recipient::Task(task) if open.contains(task) || own.contains_key(task) => room_for(task),
            Recipient::Task(task) => Err(MessageError::Invalid(format!(
                "nobody works on a task `{task}`: there is none in this run, it is done, or it is done element by element, as \
                 `{task}[0]`"
            ))),
            Recipient::Topic(topic) => {
                // Nobody there is no error, and what is held back has a bound of its own.
                if held.messages >= MAX_WAITING || held.bytes.saturating_add(weight(body)) > MAX_WAITING_BYTES.0 {
                    return full(format!(
                        "the messages that the attempt holds back are as many as may be: {MAX_WAITING}, or 16 MiB"
                    ));
                }
                boxes.subscribers(topic).try_for_each(room_for)
            }
        }
    }

    /// Notes with `note` that `task` subscribes to `topic`, where it does not yet.
    pub(crate) fn subscribe(
        &self,
        task: &TaskId,
        topic: &Name,
        note: impl FnOnce(Outbox) -> Result<Noted, Fault>,
    ) -> Result<Result<(), MessageError>, Fault> {
        match self.lock().boxes.topics_of(task, topic) {
            (true, _) => return Ok(Ok(())),
            (false, many) if many >= MAX_TOPICS => {
                return Ok(full(format!("the task subscribes to {MAX_TOPICS} topics, and more are not allowed")));
            }
            (false, _) => {}
        }
        let outbox = Outbox { subscribed: Some(topic.clone()), ..Outbox::default() };
        self.post(task, &outbox.clone(), || note(outbox))?;
        Ok(Ok(()))
    }

    /// The next message for `task`; it is not for anybody else until it is given back.
    pub(crate) fn next(&self, task: &TaskId) -> Option<Arc<Message>> {
        self.lock().boxes.next(task)
    }

    /// The same, of one that it received before.
    pub(crate) fn take(&self, task: &TaskId, id: MessageId) -> Option<Arc<Message>> {
        self.lock().boxes.take(task, id)
    }

    /// Messages that `task` received are gone for good.
    pub(crate) fn settle(&self, task: &TaskId, letters: &[Arc<Message>]) {
        if !letters.is_empty() {
            let boxes = &mut self.lock().boxes;
            letters.iter().for_each(|letter| boxes.settle(task, letter));
        }
    }

    /// Messages that `task` received are to be received again.
    pub(crate) fn give_back(&self, task: &TaskId, letters: Vec<Arc<Message>>) {
        if !letters.is_empty() {
            self.lock().boxes.give_back(task, letters.into_iter());
        }
    }

    /// Resolves when there may be something for `task`, whose instance waits for it.
    pub(crate) async fn arrived(&self, task: &TaskId) {
        let notify = {
            let State { boxes, waiting, .. } = &mut *self.lock();
            if boxes.has(task) {
                return;
            }
            Arc::clone(waiting.entry(task.clone()).or_default())
        };
        let _waiting = Waiting { mail: self, task };
        notify.notified().await;
    }

    /// Whether there is something for `task`. Where there is not, the dispatcher is told when there is.
    pub(crate) fn sleep(&self, task: &TaskId) -> bool {
        let State { boxes, asleep, .. } = &mut *self.lock();
        let has = boxes.has(task);
        if !has {
            asleep.insert(task.clone());
        }
        has
    }

    /// It waits for messages no more.
    pub(crate) fn wake(&self, task: &TaskId) {
        self.lock().asleep.remove(task);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of it is whole before anything can panic, but for the note, which comes first.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instance that waits for a message.
struct Waiting<'a> {
    mail: &'a Mail,
    task: &'a TaskId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.mail.lock().waiting.remove(self.task);
    }
}

fn full(reason: String) -> Result<(), MessageError> {
    Err(MessageError::Full(format!("{reason}; wait until some of them are received")))
}
