//! Looks at a component without running or compiling it: what it is, what it asks for, what it imports.
//!
//! The bytes are hostile. Parsing is linear in their number, keeps nothing but names, and ends in a
//! [`PluginError`] that says what its user can do.

use crate::error::PluginError;
use longhaul_core::digest::Digest;
use longhaul_core::manifest::{API, Manifest, PluginKind, SECTION};
use semver::Version;
use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

/// The most bytes that a plugin may have. Components that carry an interpreter have about 20 MB.
pub const MAX_COMPONENT: usize = 64 << 20;

/// The packages of WASI 0.2 that guests may import from.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Names the component.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: usize,
    /// What it does.
    pub kind: PluginKind,
    /// What it asks for.
    pub manifest: Manifest,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The interfaces that it exports. More than the one needed is no harm: some toolchains add theirs.
    pub exports: Vec<String>,
}

/// Inspects a component.
///
/// # Errors
/// [`PluginError`] where it is not a plugin for this host.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, PluginError> {
    if bytes.len() > MAX_COMPONENT {
        return Err(PluginError::TooLarge { bytes: bytes.len(), limit: MAX_COMPONENT });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(PluginError::NotWasm);
    }
    let names = read_names(bytes)?;
    for import in &names.imports {
        check_import(import)?;
    }
    let kind = kind_of(&names.exports)?;
    let manifest = match names.manifests.as_slice() {
        [] => return Err(PluginError::NoManifest),
        [section] => Manifest::parse(section)?,
        several => return Err(PluginError::ManyManifests(several.len())),
    };
    if manifest.kind != kind {
        return Err(PluginError::WrongKind { expected: manifest.kind, found: kind });
    }
    Ok(Inspection {
        digest: Digest::of(bytes),
        size: bytes.len(),
        kind,
        manifest,
        imports: names.imports,
        exports: names.exports,
    })
}

#[derive(Default)]
struct Names<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    manifests: Vec<&'a [u8]>,
}

/// The manifest is a custom section of the component, or of a core module within it, where the linker leaves it.
fn read_names(bytes: &[u8]) -> Result<Names<'_>, PluginError> {
    let malformed = |e: wasmparser::BinaryReaderError| PluginError::Malformed(e.message().to_owned());
    let mut names = Names::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(PluginError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if section.name() == SECTION => names.manifests.push(section.data()),
            _ => {}
        }
    }
    Ok(names)
}

fn check_import(import: &str) -> Result<(), PluginError> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(interface) = name.strip_prefix("longhaul:plugin/") {
        return if same_minor(version) {
            Ok(())
        } else if interface.is_empty() {
            Err(PluginError::UnknownImport { import: import.to_owned() })
        } else {
            Err(PluginError::Api { found: version.to_owned(), supported: API })
        };
    }
    let wasi = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    match wasi {
        Some(_) if version.starts_with("0.3") => Err(PluginError::Wasi03 { import: import.to_owned() }),
        Some((package, _)) if WASI.contains(&package) && version.starts_with("0.2.") => Ok(()),
        _ => Err(PluginError::UnknownImport { import: import.to_owned() }),
    }
}

fn kind_of(exports: &[String]) -> Result<PluginKind, PluginError> {
    for export in exports {
        let (name, version) = export.split_once('@').unwrap_or((export, ""));
        let kind = match name {
            "longhaul:plugin/work" => PluginKind::Agent,
            "longhaul:plugin/recovery" => PluginKind::Strategy,
            _ => continue,
        };
        return if same_minor(version) {
            Ok(kind)
        } else {
            Err(PluginError::Api { found: version.to_owned(), supported: API })
        };
    }
    Err(PluginError::WrongWorld)
}

/// Before 1.0 a change of the minor version is a change of the interface.
fn same_minor(version: &str) -> bool {
    let minor = |text: &str| Version::parse(text).ok().map(|v| (v.major, v.minor));
    minor(version).is_some() && minor(version) == minor(API)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_is_named() {
        assert!(matches!(inspect(b""), Err(PluginError::NotWasm)));
        assert!(matches!(inspect(b"#!/bin/sh"), Err(PluginError::NotWasm)));
        assert!(matches!(inspect(b"\0asm\x01\0\0\0"), Err(PluginError::CoreModule)));
        assert!(matches!(inspect(b"\0asm\x0d\0\x01\0"), Err(PluginError::WrongWorld)));
        assert!(matches!(inspect(b"\0asm\x0d\0\x01\0\xff\xff\xff"), Err(PluginError::Malformed(_))));
        assert!(matches!(inspect(b"\0asm"), Err(PluginError::Malformed(_))));
    }

    #[test]
    fn imports_are_an_allow_list() {
        for good in ["wasi:filesystem/types@0.2.6", "wasi:cli/environment@0.2.0", "longhaul:plugin/logging@0.1.0"] {
            assert!(check_import(good).is_ok(), "{good}");
        }
        assert!(matches!(check_import("wasi:cli/environment@0.3.0"), Err(PluginError::Wasi03 { .. })));
        assert!(matches!(check_import("longhaul:plugin/logging@0.2.0"), Err(PluginError::Api { .. })));
        for bad in
            ["wasi:http/types@0.2.0", "wasi:nn/graph@0.2.0", "evil:host/root@1.0.0", "root", "wasi:cli/environment"]
        {
            assert!(matches!(check_import(bad), Err(PluginError::UnknownImport { .. })), "{bad}");
        }
    }
}
