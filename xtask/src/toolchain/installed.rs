//! Remedy 1: the active toolchain has the target already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::House;
use crate::process::{self, ProcessError};
use crate::toolchain::{TARGET, WasmToolchain};

/// Why the active toolchain does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstalledError {
    #[error("the active rustc does not tell where it lives")]
    Sysroot(#[from] ProcessError),
    #[error("there is no standard library for {TARGET} in {0}")]
    Missing(PathBuf),
}

/// Looks for the target's standard library in the active toolchain.
pub(crate) fn find(house: &House) -> Result<WasmToolchain, InstalledError> {
    let sysroot = sysroot(house)?;
    if has_target(&sysroot) {
        Ok(WasmToolchain::active(format!("the active toolchain {}", sysroot.display())))
    } else {
        Err(InstalledError::Missing(sysroot))
    }
}

/// The folder of the active toolchain.
pub(crate) fn sysroot(house: &House) -> Result<PathBuf, ProcessError> {
    let text = process::capture(Command::new(house.rustc()).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(text.trim_end()))
}

fn has_target(sysroot: &Path) -> bool {
    let Ok(libraries) = fs::read_dir(sysroot.join("lib/rustlib").join(TARGET).join("lib")) else {
        return false;
    };
    libraries.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_target_folder_is_not_taken_for_a_target() {
        let sysroot = std::env::temp_dir().join(format!("xtask-installed-{}", std::process::id()));
        let libraries = sysroot.join("lib/rustlib/wasm32-wasip2/lib");
        fs::create_dir_all(&libraries).unwrap();
        assert!(!has_target(&sysroot));
        fs::write(libraries.join("libstd-0123.rlib"), "").unwrap();
        assert!(has_target(&sysroot));
        fs::remove_dir_all(&sysroot).unwrap();
    }
}
