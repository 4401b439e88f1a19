//! Messages between agents: what a guest sends to others of its run, and receives.
//!
//! What a guest receives is an answer from outside, so the message is recorded with the call, and a replay is told the same.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{messages, types};
use crate::guest::Guest;
use crate::host::short;
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::Wait;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{Capability, Permissions};
use longhaul_core::id::Name;
use longhaul_core::messages::{Message, MessageError, Recipient, names};
use longhaul_core::payload::Payload;
use longhaul_core::units::Timestamp;
use std::time::Duration;

/// How long an instance is kept that waits for a message: an answer that comes at once costs no other instance.
const MOMENT: Duration = Duration::from_millis(20);
/// How much longer for each action so far: about what it takes to bring the instance back along its record, so that two agents that talk a lot
/// do not spend their time on that.
const FOR_EACH_ACTION: Duration = Duration::from_micros(50);
/// The longest that an instance is kept.
const LONGEST: Duration = Duration::from_secs(2);

impl messages::Host for Guest {
    async fn send(
        &mut self,
        recipient: messages::Recipient,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        const OPERATION: &str = "send";
        let (whom, kind) = match &recipient {
            messages::Recipient::Task(task) => (task.clone(), "task"),
            messages::Recipient::Topic(topic) => (topic.clone(), "topic"),
        };
        if let Err(denied) = self.may_name(OPERATION, &whom)? {
            return Ok(Err(denied));
        }
        self.meter.charge_call(body.len());
        let body = Payload::from(body);
        let to = match recipient {
            messages::Recipient::Task(task) => Recipient::task(&task),
            messages::Recipient::Topic(topic) => Recipient::topic(&topic),
        };
        let digest = Digest::of(body.as_bytes());
        let deed = Deed { bytes: body.len() as u64, digest: Some(digest), ..self.deed(OPERATION, &whom) }.detail(kind);
        // What was sent is sent again when it is replayed, so that what is held back is what it was.
        let answer = match (self.audit.replayed(Capability::Messages, OPERATION), to) {
            (Some(Action { result: ActionResult::Failed { error }, exchange, .. }), _) => Err(refusal(error, exchange)),
            (Some(_), Ok(to)) => {
                self.reach.mailbox.send_again(to, body);
                Ok(())
            }
            (None, Ok(to)) => self.reach.mailbox.send(to, body),
            (_, Err(error)) => Err(error),
        };
        self.told(deed, answer)
    }

    async fn subscribe(&mut self, topic: String) -> wasmtime::Result<Result<(), types::Error>> {
        const OPERATION: &str = "subscribe";
        if let Err(denied) = self.may_name(OPERATION, &topic)? {
            return Ok(Err(denied));
        }
        let deed = self.deed(OPERATION, &topic);
        let answer = match Name::new(topic) {
            Err(error) => Err(MessageError::Invalid(error.to_string())),
            Ok(topic) => {
                let subscribed = self.reach.mailbox.subscribe(&topic).map_err(|error| self.audit.fail(error))?;
                match self.audit.replayed(Capability::Messages, OPERATION) {
                    Some(Action { result: ActionResult::Failed { error }, exchange, .. }) => {
                        Err(refusal(error, exchange))
                    }
                    Some(_) => Ok(()),
                    None => subscribed,
                }
            }
        };
        self.told(deed, answer)
    }

    async fn receive(
        &mut self,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<Option<messages::Message>, types::Error>> {
        const OPERATION: &str = "receive";
        let may = |p: &Permissions| p.messages.is_some();
        if let Err(denied) = self.granted(Capability::Messages, OPERATION, "", "messages: []".to_owned(), may)? {
            return Ok(Err(denied));
        }
        let due = timeout.map(|span| {
            let until = self.clock.monotonic().saturating_add(span.saturating_mul(1_000_000));
            self.clock.at(until)
        });
        let message = self.await_message(OPERATION, due).await?;
        let mut deed = self.deed(OPERATION, message.as_ref().map_or("", |message| message.sender.as_str()));
        // A message is texts and numbers, which is always JSON.
        let answer = serde_json::to_string(&message).unwrap_or_default();
        if let Some(message) = &message {
            deed.bytes = message.body.len() as u64;
            deed.digest = Some(Digest::of(message.body.as_bytes()));
            deed = deed.detail(message.id.to_string());
            self.meter.charge_call(message.body.len());
        }
        let request = Digest::of(b"");
        self.audit.action(Deed { exchange: Some(Box::new(Exchange::answered(request, answer))), ..deed })?;
        Ok(Ok(message.map(to_wit)))
    }
}

impl Guest {
    /// Whether a task or topic may be named. A refusal is recorded.
    fn may_name(&mut self, operation: &'static str, whom: &str) -> wasmtime::Result<Result<(), types::Error>> {
        let line = format!("messages: [{:?}]", short(whom));
        let may = |p: &Permissions| p.messages.as_ref().is_some_and(|list| list.iter().any(|given| names(given, whom)));
        self.granted(Capability::Messages, operation, whom, line, may)
    }

    fn deed(&self, operation: &'static str, resource: &str) -> Deed {
        Deed::new(Capability::Messages, operation, short(resource))
    }

    /// The next message, the recorded one in a replay; none when the time has passed. Suspends the attempt where that takes longer than a
    /// moment.
    async fn await_message(
        &mut self,
        operation: &'static str,
        due: Option<Timestamp>,
    ) -> wasmtime::Result<Option<Message>> {
        let actions = u32::try_from(self.audit.counts().0).unwrap_or(u32::MAX);
        let mut left = MOMENT.saturating_add(FOR_EACH_ACTION.saturating_mul(actions)).min(LONGEST);
        loop {
            let next = self.reach.mailbox.next().map_err(|error| self.audit.fail(error))?;
            if let Some(action) = self.audit.replayed(Capability::Messages, operation) {
                let answer = action.exchange.map(|exchange| exchange.answer).unwrap_or_default();
                // What cannot be read is nothing that this call would record, so the replay ends there.
                let message: Option<Message> = serde_json::from_str(&answer).unwrap_or_default();
                message.iter().for_each(|message| self.reach.mailbox.next_again(message));
                return Ok(message);
            }
            let now = self.clock.unrecorded();
            if next.is_some() || due.is_some_and(|due| due <= now) {
                return Ok(next);
            }
            if left.is_zero() {
                self.timers.suspend(Wait { until: due, message: true, ..Wait::default() }).await;
            }
            let moment = due.map_or(left, |due| due.since(now).min(left));
            tokio::select! {
                biased;
                () = self.reach.mailbox.arrived() => {}
                () = tokio::time::sleep(moment) => left = left.saturating_sub(moment),
            }
        }
    }

    /// Records what was answered, and answers.
    fn told(&self, deed: Deed, answer: Result<(), MessageError>) -> wasmtime::Result<Result<(), types::Error>> {
        match answer {
            Ok(()) => {
                self.audit.action(deed)?;
                Ok(Ok(()))
            }
            Err(error) => {
                let answer = serde_json::to_string(&error).unwrap_or_default();
                let exchange = Exchange::answered(Digest::of(b""), answer);
                self.audit.action(Deed { exchange: Some(Box::new(exchange)), ..deed.failed(error.to_string()) })?;
                let reason = error.to_string();
                Ok(Err(match error {
                    MessageError::Full(_) => types::Error::Exhausted(reason),
                    MessageError::Invalid(_) | MessageError::OnlyLooks => types::Error::Invalid(reason),
                }))
            }
        }
    }
}

/// A refusal as it was recorded.
fn refusal(error: String, exchange: Option<Box<Exchange>>) -> MessageError {
    let recorded = exchange.and_then(|exchange| serde_json::from_str(&exchange.answer).ok());
    recorded.unwrap_or(MessageError::Invalid(error))
}

fn to_wit(message: Message) -> messages::Message {
    messages::Message {
        id: message.id.to_string(),
        sender: message.sender.to_string(),
        recipient: match message.to {
            Recipient::Task(task) => messages::Recipient::Task(task.to_string()),
            Recipient::Topic(topic) => messages::Recipient::Topic(topic.to_string()),
        },
        body: message.body.as_bytes().to_vec(),
        sent_at: message.sent_at.0,
    }
}
