//! `cargo xtask plugins`: every plugin, every test guest and every example as a WebAssembly component.
//!
//! The components are built in a target folder of their own, because a different compiler may build them, and
//! copied to `target/plugins` and, what only tests run, to `target/guests`. A copy is replaced only when it differs, so that nothing that
//! depends on it is rebuilt in vain; a component whose crate is gone is removed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::house::{House, HouseError, Member};
use crate::narrate;
use crate::process::{self, ProcessError};
use crate::toolchain::{self, TARGET, ToolchainError, WasmToolchain};

/// The cargo profile for components: small, without names and line numbers.
const PROFILE: &str = "plugin";

/// Build all plugins, test guests and example plugins as WebAssembly components
///
/// Prepares a compiler for them first where there is none. The results are `target/plugins/<crate>.wasm` and
/// `target/guests/<crate>.wasm`.
#[derive(Debug, Args)]
pub(crate) struct Plugins {}

/// Why the plugins were not built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginsError {
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error(transparent)]
    House(#[from] HouseError),
    #[error("a plugin was not built; the compiler's messages above say why")]
    Compile(#[source] ProcessError),
    #[error("crate `{0}` makes no component; give it `crate-type = [\"cdylib\"]` or a `src/main.rs`")]
    NoComponent(String),
    #[error("{path} could not be copied to its place")]
    Place { path: PathBuf, source: io::Error },
}

/// A kind of component, by the folders its crates live in.
struct Kind {
    folders: [&'static str; 2],
    results: PathBuf,
}

impl Plugins {
    /// Builds the components and puts them into their places.
    pub(crate) fn run(&self, house: &House) -> Result<(), PluginsError> {
        let kinds = [
            Kind { folders: ["plugins/agents", "plugins/strategies"], results: house.plugins() },
            Kind { folders: ["tests/guests", "examples/plugins"], results: house.guests() },
        ];
        let members = house.members()?;
        let sorted = kinds.map(|kind| (members_in(house, &members, &kind.folders), kind.results));
        let toolchain = toolchain::prepare(house)?;
        narrate::step("Building the plugins as WebAssembly components");
        let target = house.target.join("wasm");
        let mut cargo = component_cargo(house, &toolchain, &target);
        cargo.args(["--profile", PROFILE]);
        for member in sorted.iter().flat_map(|(members, _)| members) {
            cargo.args(["--package", &member.name]);
        }
        process::show(&mut cargo).map_err(PluginsError::Compile)?;
        let built = target.join(TARGET).join(PROFILE);
        for (members, results) in &sorted {
            place(members, &built, results)?;
        }
        Ok(())
    }
}

/// A `cargo build` for components, with everything but the packages and the profile.
pub(crate) fn component_cargo(house: &House, toolchain: &WasmToolchain, target: &Path) -> Command {
    let mut cargo = house.cargo();
    // Flags meant for the host would not fit the target.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    cargo.envs(toolchain.env.iter().map(|(name, value)| (name, value)));
    cargo.args(["build", "--target", TARGET, "--target-dir"]).arg(target);
    cargo.args(&toolchain.cargo_arguments);
    cargo
}

fn members_in<'a>(house: &House, members: &'a [Member], folders: &[&str]) -> Vec<&'a Member> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| house.root.join(folder)).collect();
    let inside = |member: &Member| folders.iter().any(|folder| member.folder.parent() == Some(folder));
    members.iter().filter(|member| inside(member)).collect()
}

/// Copies what changed and removes what belongs to no crate any more.
fn place(members: &[&Member], built: &Path, results: &Path) -> Result<(), PluginsError> {
    let place_error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PluginsError::Place { path, source }
    };
    fs::create_dir_all(results).map_err(place_error(results))?;
    let mut wanted = BTreeSet::new();
    for member in members {
        let artifact = member.artifact.as_ref().ok_or_else(|| PluginsError::NoComponent(member.name.clone()))?;
        let from = built.join(format!("{artifact}.wasm"));
        let name = OsString::from(format!("{}.wasm", member.name));
        replace_if_different(&from, &results.join(&name)).map_err(place_error(&from))?;
        wanted.insert(name);
    }
    for file in fs::read_dir(results).map_err(place_error(results))?.flatten() {
        if !wanted.contains(&file.file_name()) {
            fs::remove_file(file.path()).map_err(place_error(&file.path()))?;
        }
    }
    Ok(())
}

/// Replaces a file as a whole, and only by different content, so that its time tells when it last changed.
pub(crate) fn replace_if_different(from: &Path, to: &Path) -> io::Result<()> {
    let content = fs::read(from)?;
    if fs::read(to).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let draft = to.with_extension(format!("wasm.{}", std::process::id()));
    fs::write(&draft, content)?;
    fs::rename(draft, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, artifact: Option<&str>) -> Member {
        Member { name: name.into(), folder: PathBuf::new(), artifact: artifact.map(str::to_owned) }
    }

    #[test]
    fn results_are_named_after_the_crate_and_keep_their_time() {
        let folder = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        let (built, results) = (folder.join("built"), folder.join("results"));
        fs::create_dir_all(&built).unwrap();
        fs::create_dir_all(&results).unwrap();
        fs::write(built.join("chunk_planner.wasm"), "component").unwrap();
        fs::write(results.join("gone.wasm"), "of a crate that is gone").unwrap();
        let planner = member("chunk-planner", Some("chunk_planner"));
        place(&[&planner], &built, &results).unwrap();
        let result = results.join("chunk-planner.wasm");
        assert_eq!(fs::read(&result).unwrap(), b"component");
        assert!(!results.join("gone.wasm").exists());
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&result).unwrap().set_modified(long_ago).unwrap();
        place(&[&planner], &built, &results).unwrap();
        assert_eq!(fs::metadata(&result).unwrap().modified().unwrap(), long_ago);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_crate_without_a_component_is_named() {
        let folder = std::env::temp_dir().join(format!("xtask-none-{}", std::process::id()));
        let error = place(&[&member("plain", None)], &folder, &folder).unwrap_err();
        assert!(error.to_string().contains("`plain`"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
