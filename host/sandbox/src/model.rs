//! Language models.

use crate::bindings::agent::longhaul::plugin::{model, types};
use crate::guest::Guest;
use longhaul_core::grant::{Capability, Permissions};

impl model::Host for Guest {
    async fn chat(&mut self, request: model::Request) -> wasmtime::Result<Result<model::Response, types::Error>> {
        let name = request.model.unwrap_or_else(|| "default".to_owned());
        let line = format!("model: [{name:?}]");
        let named = |p: &Permissions| p.model.as_ref().is_some_and(|list| list.iter().any(|m| *m == name || m == "*"));
        self.no_service(Capability::Model, "chat", name.clone(), line, named)
    }
}
