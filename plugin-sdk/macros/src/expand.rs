//! The code around an implementation: the exported function, and the manifest as a custom section.

use std::path::PathBuf;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, ItemImpl, LitByteStr, Type};

use crate::manifest::{self, Kind, Package};

/// Expands an attribute. An error becomes a `compile_error!` beside the untouched implementation, so that the
/// compiler does not report what follows from it.
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    match export(kind, arguments, &item) {
        Ok(export) => quote! { #item #export },
        Err(error) => {
            let error = error.into_compile_error();
            quote! { #item #error }
        }
    }
}

fn export(kind: Kind, arguments: TokenStream, item: &TokenStream) -> Result<TokenStream, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "this attribute takes no arguments; the manifest is in plugin.toml"));
    }
    let implementation: ItemImpl = syn::parse2(item.clone())?;
    let plugin = plugin_type(kind, &implementation)?;

    let file = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default().join("plugin.toml");
    let manifest =
        manifest::read(kind, &file, &Package::of_cargo()).map_err(|error| Error::new(Span::call_site(), error))?;
    // Mentioning the file makes it an input of the crate: Cargo rebuilds when it changes.
    let watch = file.is_file().then(|| file.to_string_lossy().into_owned());
    let watch = watch.map(|file| quote! { const _: &[u8] = include_bytes!(#file); });

    let section = LitByteStr::new(manifest.as_bytes(), Span::call_site());
    let length = manifest.len();
    let glue = glue(kind, plugin);
    Ok(quote! {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "exporting a function and placing a section need unsafe attributes")]
        const _: () = {
            #watch

            #[cfg(target_arch = "wasm32")]
            #[used]
            // SAFETY: a custom section of this name holds data alone; nothing of the program is placed there.
            #[unsafe(link_section = "longhaul:manifest")]
            static MANIFEST: [u8; #length] = *#section;

            #glue
        };
    })
}

/// The type that the trait is implemented for.
fn plugin_type(kind: Kind, implementation: &ItemImpl) -> Result<&Type, Error> {
    let wanted = kind.trait_name();
    let name = implementation.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
    if name.is_none_or(|name| name.ident != wanted) {
        let message = format!("this attribute belongs on an `impl {wanted} for …`");
        return Err(Error::new_spanned(&implementation.self_ty, message));
    }
    if !implementation.generics.params.is_empty() {
        return Err(Error::new_spanned(&implementation.generics, "a plugin is one type, so it cannot be generic"));
    }
    Ok(&implementation.self_ty)
}

/// The generated `Guest` trait on a private type, type-checked everywhere, exported from components only: elsewhere
/// two plugins in one test program would collide, and the symbol's name would not link. There a constant that names the
/// function stands in for the export, so that the compiler does not take the plugin for unused.
fn glue(kind: Kind, plugin: &Type) -> TokenStream {
    match kind {
        Kind::Agent => quote! {
            struct Export;
            impl ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Guest for Export {
                fn run(
                    task: ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Task,
                ) -> ::core::result::Result<
                    ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Outcome,
                    ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Failure,
                > {
                    ::longhaul_sdk::__private::run_agent::<#plugin>(task)
                }
            }
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn(
                ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Task,
            ) -> ::core::result::Result<
                ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Outcome,
                ::longhaul_sdk::__private::agent::exports::longhaul::plugin::work::Failure,
            > = ::longhaul_sdk::__private::run_agent::<#plugin>;
            #[cfg(target_arch = "wasm32")]
            ::longhaul_sdk::__private::agent::export_agent!(Export with_types_in ::longhaul_sdk::__private::agent);
        },
        Kind::Strategy => quote! {
            struct Export;
            impl ::longhaul_sdk::__private::strategy::exports::longhaul::plugin::recovery::Guest for Export {
                fn decide(
                    situation: ::longhaul_sdk::__private::strategy::exports::longhaul::plugin::recovery::Situation,
                ) -> ::core::result::Result<::core::option::Option<::longhaul_sdk::Decision>, ::std::string::String> {
                    ::longhaul_sdk::__private::decide_strategy::<#plugin>(situation)
                }
            }
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn(
                ::longhaul_sdk::__private::strategy::exports::longhaul::plugin::recovery::Situation,
            ) -> ::core::result::Result<::core::option::Option<::longhaul_sdk::Decision>, ::std::string::String> =
                ::longhaul_sdk::__private::decide_strategy::<#plugin>;
            #[cfg(target_arch = "wasm32")]
            ::longhaul_sdk::__private::strategy::export_strategy!(Export with_types_in ::longhaul_sdk::__private::strategy);
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(kind: Kind, item: TokenStream) -> String {
        expand(kind, TokenStream::new(), item).to_string()
    }

    #[test]
    fn the_wrong_trait_a_generic_plugin_and_a_struct_are_told_apart() {
        let text = expanded(Kind::Agent, quote! { impl Strategy for Mine {} });
        assert!(text.contains("impl Agent for"), "{text}");
        let text = expanded(Kind::Agent, quote! { impl<T> Agent for Mine<T> {} });
        assert!(text.contains("cannot be generic"), "{text}");
        assert!(expanded(Kind::Agent, quote! { struct Mine; }).contains("compile_error"));
    }

    #[test]
    fn the_manifest_goes_into_a_section_of_its_own() {
        let text = expanded(Kind::Strategy, quote! { impl longhaul_sdk::Strategy for Mine {} });
        assert!(text.contains("longhaul:manifest") && text.contains("export_strategy"), "{text}");
        assert!(!text.contains("compile_error"), "{text}");
    }
}
