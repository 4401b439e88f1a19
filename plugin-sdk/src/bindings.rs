//! The code generated from the WIT package `longhaul:plugin`, one module for each world.
//!
//! Private on purpose: authors meet the typed layer above it, so that a new generator, or a new version of the
//! package, changes nothing for them. Only the attribute macros reach in, through `longhaul_sdk::__private`.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

/// Bindings of the world `agent`.
pub mod agent {
    wit_bindgen::generate!({
        world: "agent",
        path: "../wit/0.1",
        pub_export_macro: true,
        export_macro_name: "export_agent",
        default_bindings_module: "longhaul_sdk::__private::agent",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// Bindings of the world `strategy`. What it shares with the world `agent` is the same type there.
pub mod strategy {
    wit_bindgen::generate!({
        world: "strategy",
        path: "../wit/0.1",
        pub_export_macro: true,
        export_macro_name: "export_strategy",
        default_bindings_module: "longhaul_sdk::__private::strategy",
        additional_derives: [PartialEq],
        with: {
            "longhaul:plugin/types@0.1.0": super::agent::longhaul::plugin::types,
            "longhaul:plugin/logging@0.1.0": super::agent::longhaul::plugin::logging,
        },
    });
}
