//! Puts the bundled plugins into the binary: every `*.wasm` of the folder that `LONGHAUL_BUNDLED_PLUGINS` names, by
//! default `target/plugins`, where `cargo xtask plugins` leaves them. Without it the binary carries none and says so.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LONGHAUL_BUNDLED_PLUGINS");
    let folder = std::env::var_os("LONGHAUL_BUNDLED_PLUGINS").map_or_else(
        || PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../target/plugins"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| {
            entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "wasm")).collect()
        })
        .unwrap_or_default();
    files.sort();
    if files.is_empty() {
        println!("cargo::warning=no plugins in {}: run `cargo xtask plugins` first to bundle them", folder.display());
    }
    let mut code = String::from("&[\n");
    for file in files {
        let name = file.file_stem().expect("it has an extension").to_string_lossy().into_owned();
        let path = file.canonicalize().expect("it was listed just now");
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "    ({name:?}, include_bytes!({:?})),", path.display().to_string()).expect("a string grows");
    }
    code.push_str("]\n");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("bundled.rs");
    std::fs::write(target, code).expect("the output folder is writable");
}
