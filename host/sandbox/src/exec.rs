//! Commands.

use crate::bindings::agent::longhaul::plugin::{exec, types};
use crate::guest::Guest;
use longhaul_core::grant::{Capability, Permissions};

impl exec::Host for Guest {
    async fn run(&mut self, command: exec::Command) -> wasmtime::Result<Result<exec::Completed, types::Error>> {
        let argv = command.argv;
        let line = format!("exec: [{argv:?}]");
        let begins = |p: &Permissions| {
            p.exec.as_ref().is_some_and(|list| list.iter().any(|given| !given.is_empty() && argv.starts_with(given)))
        };
        self.no_service(Capability::Exec, "run", argv.join(" "), line, begins)
    }
}
