//! The capabilities: what a plugin can reach beyond its files. Each function is one recorded host call, and needs
//! the permission of the module's name. Times are in milliseconds, as in the WIT package.

/// Runs granted commands. There is no shell: an argument vector goes to the operating system as it is.
pub mod exec {
    pub use crate::bindings::agent::longhaul::plugin::exec::{Command, Completed, ExitStatus, Isolation};
    use crate::{Error, host::call};

    impl Command {
        /// A command in the root of the stage, with nothing but its arguments; not idempotent.
        pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
            Self {
                argv: argv.into_iter().map(Into::into).collect(),
                env: Vec::new(),
                cwd: None,
                stdin: None,
                timeout: None,
                max_output: None,
                idempotent: false,
            }
        }
    }

    impl Completed {
        /// Whether the command ended by itself with code 0.
        pub fn success(&self) -> bool {
            matches!(self.status, ExitStatus::Code(0))
        }
    }

    /// Runs a command to its end. A command that ends with a code other than zero is not an error here.
    ///
    /// # Errors
    /// The command is not granted, could not be started, or a limit of the host was reached.
    pub fn run(command: &Command) -> Result<Completed, Error> {
        call!(exec::run(command))
    }
}

/// Chat with a language model. The operator decides which; keys never reach a plugin.
pub mod model {
    pub use crate::bindings::agent::longhaul::plugin::model::{
        Finish, Format, Image, Message, Part, Request, Response, Role, Tool, ToolCall, ToolChoice, ToolResult,
    };
    use crate::{Error, host::call};

    impl Message {
        /// A message of plain text.
        pub fn text(role: Role, text: impl Into<String>) -> Self {
            Self { role, parts: vec![Part::Text(text.into())] }
        }
    }

    impl Request {
        /// A request to the default model, without tools, for plain text.
        pub fn new(messages: Vec<Message>) -> Self {
            Self {
                model: None,
                messages,
                tools: Vec::new(),
                tool_choice: ToolChoice::Auto,
                format: Format::Text,
                max_tokens: None,
                temperature: None,
                stop: Vec::new(),
            }
        }
    }

    /// Asks the model. Rate limits and fallbacks are the host's business.
    ///
    /// # Errors
    /// The model is not granted or not configured, a budget is used up, or the provider failed.
    pub fn chat(request: &Request) -> Result<Response, Error> {
        call!(model::chat(request))
    }
}

/// Outgoing HTTP by allow-list. Secrets are put in by the host, never seen here.
pub mod http {
    pub use crate::bindings::agent::longhaul::plugin::http::{Request, Response};
    use crate::{Error, host::call};

    impl Request {
        /// A `GET` without header lines; idempotent, as `GET` is.
        pub fn get(url: impl Into<String>) -> Self {
            Self {
                method: "GET".to_owned(),
                url: url.into(),
                headers: Vec::new(),
                body: Vec::new(),
                timeout: None,
                idempotent: true,
            }
        }
    }

    /// Sends a request and reads the whole response, whatever its status.
    ///
    /// # Errors
    /// The address is not granted, did not answer in time, or answered more than the host takes.
    pub fn fetch(request: &Request) -> Result<Response, Error> {
        call!(http::fetch(request))
    }
}

/// Key-value memory with full-text search that outlives the attempt. Writes become visible with its commit.
pub mod memory {
    pub use crate::bindings::agent::longhaul::plugin::memory::{Hit, Scope};
    use crate::{Error, host::call};

    /// The value of a key, none where there is none.
    ///
    /// # Errors
    /// The scope is not granted.
    pub fn get(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, Error> {
        call!(memory::get(scope, key))
    }

    /// Sets a key. A key has 1 to 512 bytes, a value 1 MiB at most.
    ///
    /// # Errors
    /// The scope is not granted, the key is too long, or a quota is used up.
    pub fn set(scope: Scope, key: &str, value: &[u8]) -> Result<(), Error> {
        call!(memory::set(scope, key, value))
    }

    /// Removes a key; tells whether there was one.
    ///
    /// # Errors
    /// The scope is not granted.
    pub fn delete(scope: Scope, key: &str) -> Result<bool, Error> {
        call!(memory::delete(scope, key))
    }

    /// Keys that begin with `prefix`, sorted, at most `limit`, those after `after` where it is given.
    ///
    /// # Errors
    /// The scope is not granted.
    pub fn keys(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        call!(memory::keys(scope, prefix, after, limit))
    }

    /// Entries of which key or text has a word of `query`, best first, at most `limit`. A word is a run of letters and digits.
    ///
    /// # Errors
    /// The scope is not granted.
    pub fn search(scope: Scope, query: &str, limit: u32) -> Result<Vec<Hit>, Error> {
        call!(memory::search(scope, query, limit))
    }
}

/// Messages between the agents of a run: durable, delivered once, in the sender's order.
pub mod messages {
    pub use crate::bindings::agent::longhaul::plugin::messages::{Message, Recipient};
    use crate::{Error, host::call};

    impl Message {
        /// What it says, where that is text.
        pub fn text(&self) -> Option<&str> {
            std::str::from_utf8(&self.body).ok()
        }
    }

    /// Sends a message to the agent that works on `task`: see [`send`].
    ///
    /// # Errors
    /// The task is not granted, nobody works on it, or its mailbox is full.
    pub fn tell(task: &str, body: impl AsRef<[u8]>) -> Result<(), Error> {
        send(&Recipient::Task(task.to_owned()), body.as_ref())
    }

    /// Sends a message to every subscriber of `topic`, if there are any: see [`send`].
    ///
    /// # Errors
    /// The topic is not granted, or a mailbox is full.
    pub fn publish(topic: &str, body: impl AsRef<[u8]>) -> Result<(), Error> {
        send(&Recipient::Topic(topic.to_owned()), body.as_ref())
    }

    /// Sends a message, of 64 KiB at most; it leaves with the attempt's next commit or wait, and when it asks for the next message.
    ///
    /// # Errors
    /// The recipient is not granted, nobody works on the task, or a mailbox is full.
    pub fn send(recipient: &Recipient, body: &[u8]) -> Result<(), Error> {
        call!(messages::send(recipient, body))
    }

    /// From now on this task receives what is published on a topic, in all its attempts.
    ///
    /// # Errors
    /// The topic is not granted.
    pub fn subscribe(topic: &str) -> Result<(), Error> {
        call!(messages::subscribe(topic))
    }

    /// The next message, none when `timeout` passes first. Waiting costs nothing: the instance is put to sleep.
    ///
    /// What was received is gone for good when the attempt commits, makes a checkpoint, or waits; an attempt that fails before
    /// gives its messages back, and the next one receives them again.
    ///
    /// # Errors
    /// Messages are not granted, or the run is being cancelled.
    pub fn receive(timeout: Option<u64>) -> Result<Option<Message>, Error> {
        call!(messages::receive(timeout))
    }
}

/// Child tasks of this task.
pub mod tasks {
    pub use crate::bindings::agent::longhaul::plugin::tasks::{Request, TaskStatus};
    use crate::{Error, host::call};

    impl Request {
        /// A task with this name (unique among the children) for this agent, and an input: a JSON object.
        pub fn new(name: impl Into<String>, agent: impl Into<String>, input: &serde_json::Value) -> Self {
            Self {
                name: name.into(),
                agent: Some(agent.into()),
                skills: Vec::new(),
                input: input.to_string(),
                needs: Vec::new(),
                priority: 0,
            }
        }

        /// The same for whichever granted agent has all of these skills, as the workflow names them, and the least to do.
        pub fn skilled(
            name: impl Into<String>,
            skills: impl IntoIterator<Item = impl Into<String>>,
            input: &serde_json::Value,
        ) -> Self {
            let skills = skills.into_iter().map(Into::into).collect();
            Self { agent: None, skills, ..Self::new(name, String::new(), input) }
        }
    }

    /// Asks for a child task; gives its id. It starts with the attempt's next commit or wait.
    ///
    /// # Errors
    /// The agent is not granted, or the request makes no sense.
    pub fn spawn(request: &Request) -> Result<String, Error> {
        call!(tasks::spawn(request))
    }

    /// How a child stands now.
    ///
    /// # Errors
    /// There is no such child.
    pub fn status(id: &str) -> Result<TaskStatus, Error> {
        call!(tasks::status(id))
    }

    /// Waits until all of them have ended, or until `timeout` passes; gives how each stands, in the order asked.
    ///
    /// # Errors
    /// One of them is no child of this task, or the run is being cancelled.
    pub fn wait(ids: &[String], timeout: Option<u64>) -> Result<Vec<TaskStatus>, Error> {
        call!(tasks::wait(ids, timeout))
    }

    /// Cancels a child.
    ///
    /// # Errors
    /// There is no such child.
    pub fn cancel(id: &str) -> Result<(), Error> {
        call!(tasks::cancel(id))
    }
}

/// Questions to people. A wait may take days and costs nothing.
pub mod human {
    pub use crate::bindings::agent::longhaul::plugin::human::{Answer, Question};
    use crate::{Error, host::call};

    impl Question {
        /// A question for free text that waits for ever.
        pub fn new(summary: impl Into<String>, detail: impl Into<String>) -> Self {
            Self { summary: summary.into(), detail: detail.into(), options: Vec::new(), default: None, timeout: None }
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Questions are not granted, or the run is being cancelled.
    pub fn ask(question: &Question) -> Result<Answer, Error> {
        call!(human::ask(question))
    }

    /// Asks for approval of exactly the bytes that `subject` is the SHA-256 digest of, as 64 lower-case hexadecimal
    /// digits. True where it is given.
    ///
    /// # Errors
    /// Questions are not granted, or the run is being cancelled.
    pub fn approve(summary: &str, detail: &str, subject: &str) -> Result<bool, Error> {
        call!(human::approve(summary, detail, subject))
    }
}
