//! [`House`]: where things are in this repository, and how to start cargo in it.
//!
//! xtask is itself started by cargo, which leaves its marks in the environment (`CARGO_PKG_*`, the library
//! path of the toolchain). [`House::cargo`] takes them off again: otherwise crates that watch these variables
//! would be rebuilt at every change between `cargo xtask build` and a plain `cargo build`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{self, ProcessError};

/// Marks that `cargo run` leaves in the environment of the program it starts.
const MARKS_OF_CARGO_RUN: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];

/// The repository on this disk.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// The folder with the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    cargo: PathBuf,
}

/// A member of the workspace, as far as xtask cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// The package's folder.
    pub(crate) folder: PathBuf,
    /// The file name, without extension, that its library or program gets when compiled to WebAssembly.
    pub(crate) artifact: Option<String>,
}

/// Why the workspace could not be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HouseError {
    #[error("cargo could not read the workspace; mend the manifest it names and run the command again")]
    Metadata(#[source] ProcessError),
    #[error("cargo metadata answered with something that is not JSON")]
    Json(#[source] serde_json::Error),
}

impl House {
    /// Finds the repository from the environment that `cargo run` gives to xtask.
    pub(crate) fn find() -> House {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = PathBuf::from(&manifest).parent().map_or_else(|| PathBuf::from(&manifest), Path::to_path_buf);
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into();
        House { root, target, cargo }
    }

    /// The folder the compiled plugins are copied to, one `<crate>.wasm` each.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// The folder the compiled test guests are copied to.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// A call of cargo in the root folder, in the environment a person at a terminal would have.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if MARKS_OF_CARGO_RUN.iter().any(|mark| text.starts_with(mark)) {
                command.env_remove(&name);
            }
        }
        if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
            let kept = without_folders_below(&path, &[&self.target, &self.toolchain_folder()]);
            match kept.is_empty() {
                true => command.env_remove("LD_LIBRARY_PATH"),
                false => command.env("LD_LIBRARY_PATH", kept),
            };
        }
        command
    }

    /// A call of cargo with the environment in which the host and its tests are built.
    ///
    /// Every command uses this one, because a variable that differs between two builds makes cargo do both.
    pub(crate) fn host_cargo(&self) -> Command {
        let mut command = self.cargo();
        command
            .env("LONGHAUL_BUNDLED_PLUGINS", self.plugins())
            .env("LONGHAUL_PLUGINS", self.plugins())
            .env("LONGHAUL_GUESTS", self.guests());
        command
    }

    /// The compiler that belongs to the cargo in use.
    pub(crate) fn rustc(&self) -> PathBuf {
        if let Some(rustc) = env::var_os("RUSTC") {
            return rustc.into();
        }
        let sibling = self.cargo.with_file_name("rustc");
        if sibling.is_absolute() && sibling.is_file() { sibling } else { "rustc".into() }
    }

    /// All members of the workspace.
    pub(crate) fn members(&self) -> Result<Vec<Member>, HouseError> {
        let metadata = self.metadata(&["--no-deps"])?;
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(packages.iter().filter_map(member).collect())
    }

    /// Arguments that select all members except the test guests, which only make sense inside a sandbox.
    pub(crate) fn native_members(&self) -> Result<Vec<String>, HouseError> {
        let guests = self.root.join("tests/guests");
        let members = self.members()?.into_iter().filter(|member| member.folder.starts_with(&guests));
        let excluded = members.flat_map(|member| ["--exclude".to_owned(), member.name]);
        Ok(["--workspace".to_owned()].into_iter().chain(excluded).collect())
    }

    /// The packages to test, in groups with their names.
    ///
    /// Cargo compiles dependencies with the features that all chosen packages ask for together. The packages that link
    /// wasmtime are a group of their own, so that their tests use the wasmtime that the program was built with, and the
    /// test tools of all others do not make cargo compile it again.
    pub(crate) fn test_groups(&self) -> Result<[(&'static str, Vec<String>); 2], HouseError> {
        const WITH_WASMTIME: [&str; 3] = ["longhaul-cli", "longhaul-sandbox", "longhaul-tests"];
        let guests = self.root.join("tests/guests");
        let native = self.members()?.into_iter().filter(|member| !member.folder.starts_with(&guests));
        let (heavy, light) = native.map(|member| member.name).partition(|name| WITH_WASMTIME.contains(&name.as_str()));
        Ok([("the libraries, the SDK and the plugins", light), ("the sandbox and the program", heavy)])
    }

    /// The built `longhaul` program.
    pub(crate) fn longhaul(&self, release: bool) -> PathBuf {
        self.target.join(if release { "release" } else { "debug" }).join("longhaul")
    }

    /// What `cargo metadata` says, with further arguments.
    pub(crate) fn metadata(&self, arguments: &[&str]) -> Result<Value, HouseError> {
        let mut command = self.cargo();
        command.args(["metadata", "--format-version", "1"]).args(arguments);
        let text = process::capture(&mut command).map_err(HouseError::Metadata)?;
        serde_json::from_str(&text).map_err(HouseError::Json)
    }

    fn toolchain_folder(&self) -> PathBuf {
        self.cargo.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
    }
}

fn member(package: &Value) -> Option<Member> {
    let manifest = PathBuf::from(package["manifest_path"].as_str()?);
    Some(Member {
        name: package["name"].as_str()?.to_owned(),
        folder: manifest.parent()?.to_path_buf(),
        artifact: package["targets"].as_array()?.iter().find_map(artifact),
    })
}

/// Cargo writes a library as `my_plugin.wasm` and a program as `my-plugin.wasm`.
fn artifact(target: &Value) -> Option<String> {
    let name = target["name"].as_str()?;
    let kinds = target["kind"].as_array()?;
    if kinds.iter().any(|kind| kind == "cdylib") {
        Some(name.replace('-', "_"))
    } else if kinds.iter().any(|kind| kind == "bin") {
        Some(name.to_owned())
    } else {
        None
    }
}

/// A search path without the folders that lie below one of `roots`.
fn without_folders_below(path: &OsStr, roots: &[&Path]) -> OsString {
    let kept = env::split_paths(path)
        .filter(|folder| !roots.iter().any(|root| !root.as_os_str().is_empty() && folder.starts_with(root)));
    env::join_paths(kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_library_and_a_program_are_named_as_cargo_names_them() {
        assert_eq!(artifact(&json!({"name": "chunk-planner", "kind": ["cdylib", "rlib"]})).unwrap(), "chunk_planner");
        assert_eq!(artifact(&json!({"name": "endless-loop", "kind": ["bin"]})).unwrap(), "endless-loop");
        assert_eq!(artifact(&json!({"name": "it", "kind": ["test"]})), None);
    }

    #[test]
    fn the_library_path_loses_what_cargo_put_there_and_nothing_else() {
        let path = env::join_paths(["/t/debug/deps", "/opt/lib", "/rust/lib"]).unwrap();
        let kept = without_folders_below(&path, &[Path::new("/t"), Path::new("/rust")]);
        assert_eq!(kept, OsString::from("/opt/lib"));
    }
}
