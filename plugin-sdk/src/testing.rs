//! A host for tests: plain `cargo test` scripts what an agent's calls are answered, and looks at what it asked for.
//!
//! The host of a thread is the newest [`Host`] made there that is still alive. Models, commands and the web are answered by
//! functions of the test, or by lists; memory is a map; log lines, progress and waits are kept. What nobody scripted
//! answers [`Error::Unavailable`](crate::Error), as a host without the service does.
//!
//! ```
//! use longhaul_sdk::{model::{self, Message, Request, Role}, testing::{Answer, Host}};
//!
//! let host = Host::new();
//! host.answers([Answer::text("four")]);
//! let question = Request::new(vec![Message::text(Role::User, "two and two?")]);
//! let answer = model::chat(&question).unwrap();
//! assert_eq!(answer.message, Message::text(Role::Assistant, "four"));
//! assert_eq!(host.chats().len(), 1);
//! ```

mod answer;
mod attempt;
mod memory;
mod services;

use std::{cell::RefCell, rc::Rc, time::Duration};

pub use answer::{Answer, ran};

use crate::{
    Error,
    exec::{Command, Completed},
    http, human, messages, model, tasks,
};
use {attempt::Attempt, memory::Memory, services::Services};

thread_local! {
    static HOSTS: RefCell<Vec<Rc<Script>>> = const { RefCell::new(Vec::new()) };
}

/// The host that this thread's calls go to.
pub(crate) fn current() -> Option<Rc<Script>> {
    HOSTS.with_borrow(|hosts| hosts.last().cloned())
}

/// What calls of a host are answered from.
#[derive(Default)]
pub(crate) struct Script {
    services: Services,
    memory: Memory,
    attempt: Attempt,
}

/// Where the calls of each interface go.
macro_rules! interfaces {
    ($($interface:ident => $part:ident: $kind:ty;)+) => {
        impl Script { $(pub(crate) fn $interface(&self) -> &$kind { &self.$part })+ }
    };
}

interfaces! {
    exec => services: Services;
    model => services: Services;
    http => services: Services;
    messages => services: Services;
    tasks => services: Services;
    human => services: Services;
    memory => memory: Memory;
    context => attempt: Attempt;
    logging => attempt: Attempt;
}

/// A host for the test that makes it, as long as it lives.
pub struct Host {
    script: Rc<Script>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        HOSTS.with_borrow_mut(|hosts| hosts.retain(|host| !Rc::ptr_eq(host, &self.script)));
    }
}

/// Setters of the functions that answer a service, one for each of its operations.
macro_rules! scripted {
    ($($(#[$doc:meta])* $name:ident => $service:ident: $request:ty => $answer:ty;)+) => {
        impl Host {
            $($(#[$doc])*
            pub fn $name(&self, answer: impl FnMut(&$request) -> Result<$answer, Error> + 'static) {
                self.script.services.$service.script(answer);
            })+
        }
    };
}

scripted! {
    /// Answers models.
    on_chat => model: model::Request => model::Response;
    /// Answers commands.
    on_command => exec: Command => Completed;
    /// Answers web requests.
    on_fetch => http: http::Request => http::Response;
    /// Answers questions to people.
    on_question => human: human::Question => human::Answer;
    /// Answers requests for child tasks: the child's id.
    on_spawn => spawn: tasks::Request => String;
    /// Answers the next message to arrive within a time.
    on_receive => receive: Option<u64> => Option<messages::Message>;
}

impl Host {
    /// A host that has no services yet.
    pub fn new() -> Self {
        let script = Rc::new(Script::default());
        HOSTS.with_borrow_mut(|hosts| hosts.push(script.clone()));
        Self { script }
    }

    /// Answers models with these, one after the other. Another request after the last of them fails.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: std::collections::VecDeque<Answer> = answers.into_iter().collect();
        self.on_chat(move |request| match answers.pop_front() {
            Some(answer) => answer.to(request),
            None => Err(Error::Invalid("the test's list of answers is used up".to_owned())),
        });
    }

    /// Gives the task an attachment; its digest is left empty.
    pub fn attach(&self, name: &str, media_type: &str, content: &[u8]) {
        self.script.attempt.attach(name, media_type, content);
    }

    /// How long the instance lives already, which is 0 before.
    pub fn set_age(&self, age: Duration) {
        self.script.attempt.set_age(age);
    }

    /// What was asked of models, oldest first.
    pub fn chats(&self) -> Vec<model::Request> {
        self.script.services.model.asked()
    }

    /// The commands that were run, oldest first.
    pub fn commands(&self) -> Vec<Command> {
        self.script.services.exec.asked()
    }

    /// The child tasks that were asked for, oldest first.
    pub fn spawned(&self) -> Vec<tasks::Request> {
        self.script.services.spawn.asked()
    }

    /// The messages that were sent, oldest first.
    pub fn sent(&self) -> Vec<(messages::Recipient, Vec<u8>)> {
        self.script.services.sent()
    }

    /// The log lines of `info` and above.
    pub fn log(&self) -> Vec<String> {
        self.script.attempt.log_lines()
    }

    /// The notes of the reports of progress.
    pub fn progress(&self) -> Vec<String> {
        self.script.attempt.notes()
    }

    /// The waits ([`context::pause`](crate::context::pause)); natively they take no time.
    pub fn waits(&self) -> Vec<Duration> {
        self.script.attempt.waits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context, log,
        memory::{self, Scope},
        model::{Message, Request, Role},
    };

    #[test]
    fn a_call_that_nobody_scripted_is_unavailable_with_a_host_and_without() {
        let ask = || model::chat(&Request::new(vec![Message::text(Role::User, "?")]));
        assert!(matches!(ask(), Err(Error::Unavailable(reason)) if reason.contains("model::chat")));
        let _host = Host::new();
        assert!(matches!(ask(), Err(Error::Unavailable(reason)) if reason.contains("model")));
        assert!(matches!(tasks::cancel("x"), Err(Error::Unavailable(_))));
    }

    #[test]
    fn a_host_ends_with_its_guard_and_the_one_before_it_serves_again() {
        let outer = Host::new();
        outer.on_command(|_| Ok(ran(0, "outer", "")));
        {
            let inner = Host::new();
            inner.on_command(|_| Ok(ran(0, "inner", "")));
            assert_eq!(crate::exec::run(&Command::new(["a"])).unwrap().stdout, b"inner");
        }
        assert_eq!(crate::exec::run(&Command::new(["b"])).unwrap().stdout, b"outer");
        assert_eq!(outer.commands()[0].argv, ["b"]);
    }

    #[test]
    fn a_scripted_answer_may_itself_call_the_host() {
        let host = Host::new();
        host.on_command(|_| {
            log::info("asked");
            crate::memory::set(Scope::Run, "k", b"v").map(|()| ran(0, "", ""))
        });
        crate::exec::run(&Command::new(["a"])).unwrap();
        assert_eq!(host.log(), ["asked"]);
        assert_eq!(memory::get(Scope::Run, "k").unwrap().unwrap(), b"v");
    }

    #[test]
    fn memory_is_a_map_for_each_scope() {
        let _host = Host::new();
        memory::set(Scope::Run, "a/1", b"red apple").unwrap();
        memory::set(Scope::Run, "a/2", b"green pear").unwrap();
        memory::set(Scope::Task, "a/3", b"red").unwrap();
        assert_eq!(memory::keys(Scope::Run, "a/", Some("a/1"), 10).unwrap(), ["a/2"]);
        assert_eq!(memory::search(Scope::Run, "red", 10).unwrap()[0].key, "a/1");
        assert!(memory::delete(Scope::Run, "a/1").unwrap());
        assert!(!memory::delete(Scope::Run, "a/1").unwrap());
        assert_eq!(memory::get(Scope::Run, "a/1").unwrap(), None);
    }

    #[test]
    fn usage_tells_what_the_last_answer_filled_and_the_age_that_the_test_set() {
        let host = Host::new();
        host.answers([Answer::text("x").tokens(900, 10).window(1_000)]);
        assert!(!context::should_renew());
        model::chat(&Request::new(Vec::new())).unwrap();
        assert_eq!(context::usage().unwrap().context_used, Some(910));
        assert!(context::should_renew());
        host.set_age(context::RENEW_AFTER);
        assert_eq!(context::usage().unwrap().instance_age, context::RENEW_AFTER);
    }
}
