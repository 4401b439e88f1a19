//! Rust types of the WIT interfaces, generated.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code; the WIT files hold the documentation")]

pub mod agent {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "longhaul:plugin/agent",
        imports: {
            "longhaul:plugin/logging": trappable,
            "longhaul:plugin/context.progress": trappable,
            "longhaul:plugin/context.usage": trappable,
            default: async | trappable,
        },
        exports: { default: async },
    });
}

pub mod strategy {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "longhaul:plugin/strategy",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "longhaul:plugin/logging": super::agent::longhaul::plugin::logging,
            "longhaul:plugin/types": super::agent::longhaul::plugin::types,
        },
    });
}
