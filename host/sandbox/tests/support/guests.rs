//! Where guests come from: components built from `tests/guests`, and texts in `tests/guests/wat` that are made into
//! components here.

use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A component built from a crate in `tests/guests`.
pub fn built(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("LONGHAUL_GUESTS").map_or_else(|| root().join("target/guests"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; build the test guests with `cargo xtask plugins`", path.display()))
}

/// A bundled plugin.
pub fn bundled(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("LONGHAUL_PLUGINS").map_or_else(|| root().join("target/plugins"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; build the plugins with `cargo xtask plugins`", path.display()))
}

/// The names of all texts.
pub fn texts() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("tests/guests/wat")).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".wat").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// The bytes of a text, as it is.
pub fn text(name: &str) -> Vec<u8> {
    let path = root().join("tests/guests/wat").join(format!("{name}.wat"));
    wat::parse_file(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// An agent from a text: a module becomes a component of the world `agent`, a component is taken as it is, and both get a
/// manifest.
pub fn agent(name: &str) -> Vec<u8> {
    let bytes = text(name);
    let component = if bytes[4..8] == [1, 0, 0, 0] { componentize(bytes) } else { bytes };
    with_manifest(component, "agent")
}

/// A component of the world `agent` around a core module.
pub fn componentize(mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit/0.1")).unwrap();
    let world = resolve.select_world(&[package], Some("agent")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A component with a manifest of this kind at its end.
pub fn with_manifest(component: Vec<u8>, kind: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"manifest":1,"kind":"{kind}","name":"guest","version":"0.1.0","api":"0.1.0"}}"#);
    with_section(component, "longhaul:manifest", manifest.as_bytes())
}

/// A component with a custom section at its end.
pub fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    number(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    component.push(0);
    number(&mut component, body.len());
    component.extend_from_slice(&body);
    component
}

/// A number as WebAssembly writes it (LEB128).
fn number(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
