//! The services of a host for tests: each operation is a function of the test's, and keeps what it was asked.

use std::cell::RefCell;

use crate::{
    Error, exec, http, human, messages, model,
    tasks::{self, TaskStatus},
};

type Script<Request, Answer> = Box<dyn FnMut(&Request) -> Result<Answer, Error>>;

/// One operation of a service.
pub(super) struct Operation<Request, Answer> {
    script: RefCell<Option<Script<Request, Answer>>>,
    asked: RefCell<Vec<Request>>,
}

impl<Request, Answer> Default for Operation<Request, Answer> {
    fn default() -> Self {
        Self { script: RefCell::new(None), asked: RefCell::new(Vec::new()) }
    }
}

impl<Request: Clone, Answer> Operation<Request, Answer> {
    pub(super) fn script(&self, script: impl FnMut(&Request) -> Result<Answer, Error> + 'static) {
        *self.script.borrow_mut() = Some(Box::new(script));
    }

    pub(super) fn asked(&self) -> Vec<Request> {
        self.asked.borrow().clone()
    }

    fn ask(&self, name: &str, request: &Request) -> Result<Answer, Error> {
        self.asked.borrow_mut().push(request.clone());
        // Nothing is borrowed while the test's function runs, because it may call the host too.
        let Some(mut script) = self.script.borrow_mut().take() else { return Err(unscripted(name)) };
        let answer = script(request);
        self.script.borrow_mut().get_or_insert(script);
        answer
    }
}

fn unscripted(name: &str) -> Error {
    Error::Unavailable(format!("the test scripts no {name}"))
}

/// All of them.
#[derive(Default)]
pub(crate) struct Services {
    pub(super) exec: Operation<exec::Command, exec::Completed>,
    pub(super) model: Operation<model::Request, model::Response>,
    pub(super) http: Operation<http::Request, http::Response>,
    pub(super) human: Operation<human::Question, human::Answer>,
    pub(super) spawn: Operation<tasks::Request, String>,
    pub(super) receive: Operation<Option<u64>, Option<messages::Message>>,
    sent: RefCell<Vec<(messages::Recipient, Vec<u8>)>>,
}

impl Services {
    pub(crate) fn run(&self, command: &exec::Command) -> Result<exec::Completed, Error> {
        self.exec.ask("commands", command)
    }

    pub(crate) fn chat(&self, request: &model::Request) -> Result<model::Response, Error> {
        let response = self.model.ask("models", request)?;
        if let Some(host) = super::current() {
            let used = response.input_tokens.saturating_add(response.output_tokens);
            host.attempt.set_context(used, response.context_window);
        }
        Ok(response)
    }

    pub(crate) fn fetch(&self, request: &http::Request) -> Result<http::Response, Error> {
        self.http.ask("web", request)
    }

    pub(crate) fn ask(&self, question: &human::Question) -> Result<human::Answer, Error> {
        self.human.ask("people", question)
    }

    /// An approval is a question whose answer is `yes` or anything else.
    pub(crate) fn approve(&self, summary: &str, detail: &str, _: &str) -> Result<bool, Error> {
        self.ask(&human::Question::new(summary, detail)).map(|answer| answer.text == "yes")
    }

    pub(crate) fn send(&self, recipient: &messages::Recipient, body: &[u8]) -> Result<(), Error> {
        self.sent.borrow_mut().push((recipient.clone(), body.to_vec()));
        Ok(())
    }

    pub(super) fn sent(&self) -> Vec<(messages::Recipient, Vec<u8>)> {
        self.sent.borrow().clone()
    }

    pub(crate) fn subscribe(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn receive(&self, timeout: Option<u64>) -> Result<Option<messages::Message>, Error> {
        self.receive.ask("messages", &timeout)
    }

    pub(crate) fn spawn(&self, request: &tasks::Request) -> Result<String, Error> {
        self.spawn.ask("child tasks", request)
    }

    pub(crate) fn status(&self, _: &str) -> Result<TaskStatus, Error> {
        Err(unscripted("child tasks"))
    }

    pub(crate) fn wait(&self, _: &[String], _: Option<u64>) -> Result<Vec<TaskStatus>, Error> {
        Err(unscripted("child tasks"))
    }

    pub(crate) fn cancel(&self, _: &str) -> Result<(), Error> {
        Err(unscripted("child tasks"))
    }
}
