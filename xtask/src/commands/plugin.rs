//! `cargo xtask plugin FOLDER`: one plugin's crate as a WebAssembly component, wherever the crate is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::commands::plugins::{component_cargo, replace_if_different};
use crate::house::House;
use crate::narrate;
use crate::process::{self, ProcessError};
use crate::toolchain::{self, TARGET, ToolchainError};

/// Small components, whatever the crate's own release profile says.
const SMALL: [&str; 4] = [
    "profile.release.opt-level=\"s\"",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.strip=true",
];

/// Build the plugin whose crate is in a folder
///
/// The result is `target/plugins-built/<crate>.wasm`. For example: cargo xtask plugin examples/plugins/count
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    /// The folder with the plugin's Cargo.toml
    folder: PathBuf,
}

/// Why the plugin was not built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error("{0} has no Cargo.toml; name the folder of a plugin's crate")]
    NoCrate(PathBuf),
    #[error("cargo could not read {manifest}; mend it and run the command again")]
    Metadata { manifest: PathBuf, source: ProcessError },
    #[error("{0} makes no component; give it `[lib] crate-type = [\"cdylib\"]`")]
    NoComponent(PathBuf),
    #[error("the plugin was not built; the compiler's messages above say why")]
    Compile(#[source] ProcessError),
    #[error("{path} could not be put into its place")]
    Place { path: PathBuf, source: io::Error },
}

impl Plugin {
    /// Builds it and says where the component is.
    pub(crate) fn run(&self, house: &House) -> Result<(), PluginError> {
        let manifest = self.folder.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|_| PluginError::NoCrate(self.folder.clone()))?;
        let (package, artifact) = crate_of(house, &manifest)?;
        let toolchain = toolchain::prepare(house)?;
        narrate::step(format!("Building {package} as a WebAssembly component"));
        let target = house.target.join("wasm");
        let mut cargo = component_cargo(house, &toolchain, &target);
        cargo.args(["--release", "--package", &package, "--manifest-path"]).arg(&manifest);
        for setting in SMALL {
            cargo.args(["--config", setting]);
        }
        process::show(&mut cargo).map_err(PluginError::Compile)?;
        let place = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PluginError::Place { path, source }
        };
        let built = target.join(TARGET).join("release").join(format!("{artifact}.wasm"));
        let results = house.target.join("plugins-built");
        fs::create_dir_all(&results).map_err(place(&results))?;
        let result = results.join(format!("{package}.wasm"));
        replace_if_different(&built, &result).map_err(place(&built))?;
        narrate::step(format!("{} is ready", result.display()));
        Ok(())
    }
}

/// The package of a manifest, and the name of its library as a file.
fn crate_of(house: &House, manifest: &Path) -> Result<(String, String), PluginError> {
    let mut cargo = house.cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let printed =
        process::capture(&mut cargo).map_err(|source| PluginError::Metadata { manifest: manifest.into(), source })?;
    let metadata: Value = serde_json::from_str(&printed).unwrap_or_default();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let package = packages.iter().find(|p| p["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest));
    let component = package.and_then(|package| {
        let is_component =
            |target: &&Value| target["crate_types"].as_array().is_some_and(|types| types.iter().any(|t| t == "cdylib"));
        let target = package["targets"].as_array()?.iter().find(is_component)?;
        Some((package["name"].as_str()?.to_owned(), target["name"].as_str()?.replace('-', "_")))
    });
    component.ok_or_else(|| PluginError::NoComponent(manifest.into()))
}
