//! Questions to people.

use crate::bindings::agent::longhaul::plugin::{human, types};
use crate::guest::Guest;
use longhaul_core::grant::Capability;

impl human::Host for Guest {
    async fn ask(&mut self, question: human::Question) -> wasmtime::Result<Result<human::Answer, types::Error>> {
        self.no_human("ask", question.summary)
    }

    async fn approve(&mut self, summary: String, _: String, _: String) -> wasmtime::Result<Result<bool, types::Error>> {
        self.no_human("approve", summary)
    }
}

impl Guest {
    fn no_human<T>(&mut self, operation: &'static str, summary: String) -> wasmtime::Result<Result<T, types::Error>> {
        let line = format!("human: [\"{operation}\"]");
        self.no_service(Capability::Human, operation, summary, line, |p| p.human.is_some())
    }
}
