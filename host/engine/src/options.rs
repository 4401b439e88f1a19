//! What a run is given beside its workflow, and the handle to pause or cancel it.

use longhaul_core::entry::Budget;
use longhaul_core::grant::Permissions;
use longhaul_core::people::{Answer, AnswerError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

mod answers;

pub(crate) use answers::{Answering, Answers};

/// What a run is given beside its workflow.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The workflow file's name; it goes into the record.
    pub file: String,
    /// The workflow file as it was read; it goes into the record.
    pub source: String,
    /// The host's version; it goes into the record.
    pub host: String,
    /// How guests are kept apart on this machine, in words; it goes into the record.
    pub isolation: Vec<String>,
    /// The inputs, complete: see [`Workflow::inputs`](longhaul_core::workflow::model::Workflow::inputs).
    pub inputs: Map<String, Value>,
    /// What the operator allows. None means that there is no policy, and the workflow's word stands.
    pub policy: Option<Permissions>,
    /// What answers for the workflow's own models, by their names: the files as they were read. It goes into the record.
    pub scripts: BTreeMap<String, String>,
    /// What all randomness of the run derives from, apart from that inside guests.
    pub seed: u64,
    /// What becomes of the result.
    pub apply: Apply,
    /// How the run is paused or cancelled, if at all.
    pub control: RunControl,
}

/// What a run is given that goes on.
#[derive(Debug, Clone, Default)]
pub struct ResumeOptions {
    /// The host's version; it goes into the record.
    pub host: String,
    /// How guests are kept apart now, in words; it goes into the record.
    pub isolation: Vec<String>,
    /// What the run may use up from now on, where that is another than before.
    pub budget: Option<Budget>,
    /// How the run is paused or cancelled, if at all.
    pub control: RunControl,
}

/// What becomes of a run's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Apply {
    /// It is put into the user's folder when the run is done.
    #[default]
    OnSuccess,
    /// It is kept as a version, to be applied later.
    Later,
}

/// What an operator can order while a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Nothing more than that something else is known now.
    Nothing,
    Checkpoint,
    Pause,
    Cancel,
}

/// Pauses, cancels or checkpoints a run. Clones do so to the same run.
#[derive(Debug, Clone, Default)]
pub struct RunControl {
    given: Arc<watch::Sender<Given>>,
    answers: Answers,
}

/// What was ordered so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Given {
    checkpoints: u64,
    end: Option<Order>,
    /// Whether people are waited for.
    waits: bool,
}

impl RunControl {
    /// Ends the run's work soon, to be resumed later: what is under way is dropped and done again from its record, nothing
    /// new begins. Changes nothing when all is done.
    pub fn pause(&self) {
        self.end(Order::Pause);
    }

    /// Ends the run for good, soon: what is under way is dropped, nothing new begins, the record is completed. Cancelling
    /// twice, or when all is done, changes nothing.
    pub fn cancel(&self) {
        self.end(Order::Cancel);
    }

    /// From now on the run stays up where only people can bring it on. Without this it is paused then.
    pub fn wait_for_people(&self) {
        self.given.send_modify(|given| given.waits = true);
    }

    /// Answers a question; comes back when the answer is durable. None where the run is over.
    ///
    /// # Errors
    /// [`AnswerError`] where the answer is not taken.
    pub async fn answer(&self, number: u32, answer: Answer) -> Option<Result<(), AnswerError>> {
        self.answers.give(number, answer).await.ok()
    }

    /// Has a checkpoint made soon.
    pub fn checkpoint(&self) {
        self.given.send_modify(|given| given.checkpoints += 1);
    }

    fn end(&self, order: Order) {
        self.given.send_if_modified(|given| {
            let is_more = given.end.is_none_or(|given| given < order);
            if is_more {
                given.end = Some(order);
            }
            is_more
        });
    }

    /// Whether the run is to end already.
    pub(crate) fn is_to_end(&self) -> bool {
        self.given.borrow().end.is_some()
    }

    /// The orders to come, each once.
    pub(crate) fn orders(&self) -> Orders {
        Orders { given: self.given.subscribe(), taken: Given::default(), answers: self.answers.clone() }
    }
}

/// Waits for orders.
pub(crate) struct Orders {
    given: watch::Receiver<Given>,
    taken: Given,
    answers: Answers,
}

impl Orders {
    /// Whether the run stays up where only people can bring it on.
    pub(crate) fn waits_for_people(&self) -> bool {
        self.given.borrow().waits
    }

    /// The answers of people.
    pub(crate) fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// The run goes on in another life: an order to end it holds there too. A checkpoint that was made is not made again.
    pub(crate) fn live_on(&mut self) {
        self.taken.end = None;
    }

    /// Resolves when there is an order that was not taken yet.
    pub(crate) async fn next(&mut self) -> Order {
        let taken = self.taken;
        let Ok(given) = self.given.wait_for(|given| *given != taken).await.map(|given| *given) else {
            // The sender is gone, so there will be none.
            return std::future::pending().await;
        };
        match given.end.filter(|_| given.end != taken.end) {
            Some(order) => {
                self.taken.end = given.end;
                order
            }
            None if given.checkpoints != taken.checkpoints => {
                self.taken.checkpoints = given.checkpoints;
                Order::Checkpoint
            }
            None => {
                self.taken = given;
                Order::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_to_end_a_run_holds_in_its_next_life_and_a_checkpoint_is_not_made_again() {
        let control = RunControl::default();
        let mut orders = control.orders();
        control.checkpoint();
        assert_eq!(orders.next().await, Order::Checkpoint);
        control.pause();
        assert_eq!(orders.next().await, Order::Pause);
        orders.live_on();
        assert_eq!(orders.next().await, Order::Pause);
        control.cancel();
        assert_eq!(orders.next().await, Order::Cancel);
        control.checkpoint();
        orders.live_on();
        assert_eq!((orders.next().await, orders.next().await), (Order::Cancel, Order::Checkpoint));
    }
}
