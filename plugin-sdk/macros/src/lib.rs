//! The attributes of `longhaul-sdk`: they export an implementation of `Agent` or `Strategy` from a component, and
//! carry the plugin's manifest inside it.
//!
//! `manifest` reads and checks `plugin.toml`; `expand` writes the code around the implementation.

mod expand;
mod manifest;

use proc_macro::TokenStream;

use crate::manifest::Kind;

/// Exports an implementation of `longhaul_sdk::Agent` as the component's agent, and carries `plugin.toml` inside it.
///
/// A component has one agent or one strategy, so a crate has one of these attributes.
#[proc_macro_attribute]
pub fn agent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Agent, arguments.into(), item.into()).into()
}

/// Exports an implementation of `longhaul_sdk::Strategy` as the component's strategy, and carries `plugin.toml`
/// inside it.
///
/// A component has one agent or one strategy, so a crate has one of these attributes.
#[proc_macro_attribute]
pub fn strategy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Strategy, arguments.into(), item.into()).into()
}
