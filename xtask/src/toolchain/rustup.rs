//! Remedy 2: rustup downloads the target.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::house::House;
use crate::narrate;
use crate::process::{self, ProcessError};
use crate::toolchain::installed::{self, InstalledError};
use crate::toolchain::{TARGET, WasmToolchain};

/// A download of some 20 MB; a machine without network usually fails at once, one behind a silent wall does not.
const LIMIT: Duration = Duration::from_secs(180);

/// Why rustup did not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RustupError {
    #[error("the active toolchain {0} was not installed by rustup")]
    NotRustups(PathBuf),
    #[error(transparent)]
    Failed(#[from] ProcessError),
    #[error("rustup was content, but the target is still missing")]
    StillMissing(#[source] InstalledError),
}

/// Lets rustup add the target to the active toolchain.
pub(crate) fn add_target(house: &House) -> Result<WasmToolchain, RustupError> {
    let sysroot = installed::sysroot(house)?;
    // rustup keeps each toolchain as `<home>/toolchains/<name>`.
    let name = sysroot.file_name().filter(|_| sysroot.parent().is_some_and(|folder| folder.ends_with("toolchains")));
    let Some(name) = name else {
        return Err(RustupError::NotRustups(sysroot));
    };
    narrate::detail(format!("asking rustup for the target (at most {} s)", LIMIT.as_secs()));
    let mut command = Command::new(rustup());
    command.args(["target", "add", TARGET, "--toolchain"]).arg(name).current_dir(&house.root);
    process::capture_within(&mut command, LIMIT)?;
    installed::find(house).map_err(RustupError::StillMissing)
}

/// rustup's own program, also when only cargo's folder and not its `bin` is on `PATH`.
fn rustup() -> PathBuf {
    let beside_cargo = env::var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin/rustup"));
    beside_cargo.filter(|path| path.is_file()).unwrap_or_else(|| "rustup".into())
}
