//! Outgoing HTTP.

use crate::bindings::agent::longhaul::plugin::{http, types};
use crate::guest::Guest;
use longhaul_core::grant::Capability;

impl http::Host for Guest {
    async fn fetch(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, types::Error>> {
        let line = format!("http: [{:?}]", request.url);
        self.no_service(Capability::Http, "fetch", format!("{} {}", request.method, request.url), line, |p| {
            p.http.is_some()
        })
    }
}
