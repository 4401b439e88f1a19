//! Puts the bundled plugins into the binary: every `*.wasm` of the folder that `LONGHAUL_BUNDLED_PLUGINS` names, by
//! default `target/plugins`, where `cargo xtask plugins` leaves them. Without it the binary carries none and says so.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=LONGHAUL_BUNDLED_PLUGINS");
    let folder = match std::env::var_os("LONGHAUL_BUNDLED_PLUGINS") {
        Some(folder) => PathBuf::from(folder),
        None => set_by_cargo("CARGO_MANIFEST_DIR")?.join("../../target/plugins"),
    };
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
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
        println!("cargo::rerun-if-changed={}", path.display());
        code.push_str(&format!("    ({name:?}, include_bytes!({:?})),\n", path.display().to_string()));
    }
    code.push_str("]\n");
    let target = set_by_cargo("OUT_DIR")?.join("bundled.rs");
    std::fs::write(&target, code).map_err(|error| format!("{}: {error}", target.display()))?;
    Ok(())
}

fn set_by_cargo(variable: &str) -> Result<PathBuf, String> {
    let value = std::env::var_os(variable).ok_or_else(|| format!("{variable} is not set; build with cargo"))?;
    Ok(PathBuf::from(value))
}
