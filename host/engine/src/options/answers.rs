//! Answers of people on their way to the dispatcher.

use longhaul_core::people::{Answer, AnswerError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

/// An answer, and where to say whether it is taken.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) number: u32,
    pub(crate) answer: Answer,
    pub(crate) told: oneshot::Sender<Result<(), AnswerError>>,
}

/// Answers that nobody has taken yet. Whoever gives one waits for it to be taken, so there are as many as there are people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    line: Mutex<VecDeque<Answering>>,
    /// Told when one is there.
    given: Notify,
}

impl Answers {
    /// Gives an answer; comes back when it is taken or refused.
    pub(super) async fn give(
        &self,
        number: u32,
        answer: Answer,
    ) -> Result<Result<(), AnswerError>, oneshot::error::RecvError> {
        let (told, taken) = oneshot::channel();
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner).push_back(Answering { number, answer, told });
        self.0.given.notify_one();
        taken.await
    }

    /// The next one.
    pub(crate) async fn next(&self) -> Answering {
        loop {
            let given = self.0.given.notified();
            if let Some(answering) = self.0.line.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
                return answering;
            }
            given.await;
        }
    }
}
