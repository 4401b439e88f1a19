//! What people were asked in a run, and what they answered: the latest question of each task whose try goes on.
//!
//! Like mailboxes they are a fold over the record: [`History`](crate::history) makes them of it, and a run that is under way goes on with them.
//! An attempt asks one question at a time, so whatever it asked before was answered, and the answer is part of its own record.

use crate::transcript::{Fault, Noted};
use longhaul_core::id::TaskId;
use longhaul_core::people::{Answer, AnswerError, Asked, Question, Reply};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The questions of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions {
    latest: HashMap<TaskId, Latest>,
    /// How many were asked in the run.
    asked: u32,
}

#[derive(Debug, Clone)]
struct Latest {
    asked: Asked,
    answer: Option<Answer>,
}

/// A question that nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// The task whose agent asks.
    pub task: TaskId,
    /// What it asks.
    pub asked: Asked,
}

impl Questions {
    /// A task asks.
    pub(crate) fn ask(&mut self, task: &TaskId, asked: Asked) {
        self.asked = self.asked.max(asked.number);
        self.latest.insert(task.clone(), Latest { asked, answer: None });
    }

    /// A question was answered.
    pub(crate) fn answered(&mut self, task: &TaskId, number: u32, answer: Answer) {
        if let Some(latest) = self.latest.get_mut(task).filter(|latest| latest.asked.number == number) {
            latest.answer.get_or_insert(answer);
        }
    }

    /// The try that asked is over.
    pub(crate) fn forget(&mut self, task: &TaskId) {
        self.latest.remove(task);
    }

    /// Only the tries for which `goes_on` holds go on.
    pub(crate) fn retain(&mut self, goes_on: impl Fn(&TaskId) -> bool) {
        self.latest.retain(|task, _| goes_on(task));
    }

    /// Counts on behind what was asked `since`.
    pub(crate) fn count_on(&mut self, since: &Self) {
        self.asked = self.asked.max(since.asked);
    }

    /// The open questions, by number.
    pub(crate) fn open(&self) -> Vec<OpenQuestion> {
        let open = self.latest.iter().filter(|(_, latest)| latest.answer.is_none());
        let mut open: Vec<_> =
            open.map(|(task, latest)| OpenQuestion { task: task.clone(), asked: latest.asked.clone() }).collect();
        open.sort_unstable_by_key(|open| open.asked.number);
        open
    }

    /// The task that asked an open question, where `reply` answers it.
    pub(crate) fn admit(&self, number: u32, reply: &Reply) -> Result<TaskId, AnswerError> {
        let found = self.latest.iter().find(|(_, latest)| latest.asked.number == number);
        match found {
            None => Err(AnswerError::NotOpen(number)),
            Some((_, Latest { answer: Some(answer), .. })) => {
                Err(AnswerError::Answered { number, by: answer.by.clone() })
            }
            Some((task, latest)) => latest.asked.question.admit(number, reply).map(|()| task.clone()),
        }
    }

    fn question(&self, task: &TaskId, number: u32) -> Option<&Latest> {
        self.latest.get(task).filter(|latest| latest.asked.number == number)
    }
}

/// The questions of a run that is under way.
pub(crate) struct Forum(Mutex<Questions>);

impl Forum {
    pub(crate) fn new(questions: Questions) -> Self {
        Self(Mutex::new(questions))
    }

    /// Notes with `note` that `task` asks a question of the next number.
    pub(crate) fn ask(
        &self,
        task: &TaskId,
        question: Question,
        note: impl FnOnce(Asked) -> Result<Noted, Fault>,
    ) -> Result<u32, Fault> {
        let mut questions = self.lock();
        let number = questions.asked.saturating_add(1);
        let asked = Asked { number, question };
        note(asked.clone())?;
        questions.ask(task, asked);
        Ok(number)
    }

    /// The answer to a question of `task`, where there is one.
    pub(crate) fn answer(&self, task: &TaskId, number: u32) -> Option<Answer> {
        self.lock().question(task, number).and_then(|latest| latest.answer.clone())
    }

    /// What is assumed where nobody answered a question of `task`; none where somebody did.
    pub(crate) fn assumed(&self, task: &TaskId, number: u32) -> Option<Answer> {
        let questions = self.lock();
        let open = questions.question(task, number).filter(|latest| latest.answer.is_none());
        open.map(|latest| latest.asked.question.assumed())
    }

    /// The task that asked an open question, where `reply` answers it.
    pub(crate) fn admit(&self, number: u32, reply: &Reply) -> Result<TaskId, AnswerError> {
        self.lock().admit(number, reply)
    }

    /// The record has an answer.
    pub(crate) fn answered(&self, task: &TaskId, number: u32, answer: Answer) {
        self.lock().answered(task, number, answer);
    }

    /// The try that asked is over.
    pub(crate) fn forget(&self, task: &TaskId) {
        self.lock().forget(task);
    }

    /// The open questions, by number.
    pub(crate) fn open(&self) -> Vec<OpenQuestion> {
        self.lock().open()
    }

    fn lock(&self) -> MutexGuard<'_, Questions> {
        // Every change of it is whole before anything can panic, but for the note, which comes first.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
