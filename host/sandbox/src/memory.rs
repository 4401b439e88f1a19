//! Memory that outlives the attempt.

use crate::bindings::agent::longhaul::plugin::{memory, types};
use crate::guest::Guest;
use longhaul_core::grant::{Capability, Permissions};

impl memory::Host for Guest {
    async fn get(
        &mut self,
        scope: memory::Scope,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, types::Error>> {
        self.no_memory("get", scope, key)
    }

    async fn set(
        &mut self,
        scope: memory::Scope,
        key: String,
        _: Vec<u8>,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        self.no_memory("set", scope, key)
    }

    async fn delete(&mut self, scope: memory::Scope, key: String) -> wasmtime::Result<Result<bool, types::Error>> {
        self.no_memory("delete", scope, key)
    }

    async fn keys(
        &mut self,
        scope: memory::Scope,
        prefix: String,
        _: Option<String>,
        _: u32,
    ) -> wasmtime::Result<Result<Vec<String>, types::Error>> {
        self.no_memory("keys", scope, prefix)
    }

    async fn search(
        &mut self,
        scope: memory::Scope,
        query: String,
        _: u32,
    ) -> wasmtime::Result<Result<Vec<memory::Hit>, types::Error>> {
        self.no_memory("search", scope, query)
    }
}

impl Guest {
    fn no_memory<T>(
        &mut self,
        operation: &'static str,
        scope: memory::Scope,
        key: String,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        let scope = match scope {
            memory::Scope::Task => "task",
            memory::Scope::Run => "run",
            memory::Scope::Workflow => "workflow",
        };
        let line = format!("memory: [\"{scope}\"]");
        let named = move |p: &Permissions| p.memory.as_ref().is_some_and(|scopes| scopes.iter().any(|s| s == scope));
        self.no_service(Capability::Memory, operation, key, line, named)
    }
}
