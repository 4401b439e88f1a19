//! What the dispatcher does about people: takes their answers, assumes one where nobody answers in time, and tells when nobody else can
//! bring the run on.

use super::dispatcher::Dispatcher;
use super::events::Ending;
use crate::error::Halt;
use crate::options::{Answering, Orders};
use longhaul_core::entry::Entry;
use longhaul_core::id::TaskId;
use longhaul_core::people::{Answer, AnswerError};
use longhaul_core::units::Timestamp;
use std::time::Duration;

impl Dispatcher {
    /// Takes an answer, and says so when it is durable.
    pub(super) async fn answer(&mut self, answering: Answering) -> Result<(), Halt> {
        let Answering { number, answer, told } = answering;
        let taken: Result<TaskId, AnswerError> = self.shared.forum.admit(number, &answer.reply);
        if let Ok(task) = &taken {
            self.note_answer(task, number, answer)?;
            self.shared.ledger.flush().await?;
            if self.waits.waits_for_answer(task) == Some(number) {
                self.wake(task)?;
            }
        }
        // Whoever answered may be gone.
        drop(told.send(taken.map(drop)));
        Ok(())
    }

    /// The time has come that a task waited for: where it was an answer's, one is assumed.
    pub(super) fn assume_answer(&mut self, task: &TaskId, until: Option<Timestamp>) -> Result<(), Halt> {
        let is_over = until.is_some_and(|until| until <= self.shared.ports.time.now());
        let Some(number) = self.waits.waits_for_answer(task).filter(|_| is_over) else { return Ok(()) };
        match self.shared.forum.assumed(task, number) {
            Some(answer) => self.note_answer(task, number, answer),
            None => Ok(()),
        }
    }

    fn note_answer(&mut self, task: &TaskId, number: u32, answer: Answer) -> Result<(), Halt> {
        self.shared.ledger.task(task, Entry::Answered { number, answer: answer.clone() })?;
        self.shared.forum.answered(task, number, answer);
        Ok(())
    }

    /// Nothing is under way: where people can bring the run on they are waited for, and a deadlock is broken. Gives how long it waited; none
    /// where the run has come to its end.
    pub(super) async fn at_rest(&mut self, orders: &mut Orders) -> Result<Option<Duration>, Halt> {
        if self.ending.is_some() {
            return Ok(None);
        }
        // A run at rest can be cancelled too, though nothing of it is ever under way.
        let ordered = tokio::select! {
            biased;
            order = orders.next() => Some(order),
            () = std::future::ready(()) => None,
        };
        if let Some(order) = ordered {
            self.order(order)?;
            return Ok(Some(Duration::ZERO));
        }
        if !self.waits.has_questions() {
            return Ok(self.break_deadlock()?.then_some(Duration::ZERO));
        }
        if self.break_circle()? {
            return Ok(Some(Duration::ZERO));
        }
        if orders.waits_for_people() {
            return self.wait_for_people(orders).await.map(Some);
        }
        self.end(Ending::People);
        Ok(None)
    }

    /// Waits for a person where only people can bring the run on. Gives how long that was.
    async fn wait_for_people(&mut self, orders: &mut Orders) -> Result<Duration, Halt> {
        let shared = self.shared.clone();
        let since = shared.ports.time.now();
        let answers = orders.answers();
        // What was recorded so far may be all that there is for days.
        shared.ledger.flush().await?;
        let order = tokio::select! {
            biased;
            error = shared.ledger.broken() => return Err(error.into()),
            order = orders.next() => Ok(order),
            answering = answers.next() => Err(answering),
        };
        let idle = shared.ports.time.now().since(since);
        if !idle.is_zero() {
            shared.ledger.run(Entry::Idled { span: idle })?;
        }
        match order {
            Ok(order) => self.order(order)?,
            Err(answering) => self.answer(answering).await?,
        }
        Ok(idle)
    }
}
