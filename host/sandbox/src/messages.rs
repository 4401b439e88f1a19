//! Messages between agents.

use crate::bindings::agent::longhaul::plugin::{messages, types};
use crate::guest::Guest;
use longhaul_core::grant::Capability;

impl messages::Host for Guest {
    async fn send(&mut self, recipient: messages::Recipient, _: Vec<u8>) -> wasmtime::Result<Result<(), types::Error>> {
        let whom = match recipient {
            messages::Recipient::Task(task) => task,
            messages::Recipient::Topic(topic) => topic,
        };
        self.no_messages("send", whom)
    }

    async fn subscribe(&mut self, topic: String) -> wasmtime::Result<Result<(), types::Error>> {
        self.no_messages("subscribe", topic)
    }

    async fn receive(&mut self, _: Option<u64>) -> wasmtime::Result<Result<Option<messages::Message>, types::Error>> {
        self.no_messages("receive", "*".to_owned())
    }
}

impl Guest {
    fn no_messages<T>(&mut self, operation: &'static str, whom: String) -> wasmtime::Result<Result<T, types::Error>> {
        let line = format!("messages: [{whom:?}]");
        self.no_service(Capability::Messages, operation, whom, line, |p| p.messages.is_some())
    }
}
