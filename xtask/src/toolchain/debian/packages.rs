//! Debian's packages, installed when they are missing: the compiler with its sources, the tracer that tests inject faults with, and the browser
//! that they look at reports with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::narrate;
use crate::process::{self, ProcessError};
use crate::toolchain::debian::apt;

/// The compiler and the sources of its standard library, some 140 MB.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Where apt keeps what it knows of its mirrors.
const LISTS: &str = "/var/lib/apt/lists";

/// Why the packages are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackagesError {
    #[error("the packages {} are missing and installing them needs root or sudo without a password", missing.join(", "))]
    NoRights { missing: Vec<&'static str> },
    #[error("apt could not install {}", missing.join(", "))]
    Install { missing: Vec<&'static str>, source: ProcessError },
    #[error("dpkg lists no program `rustc` in the package rustc-web")]
    NoCompiler,
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("{0} does not hold the sources of the standard library; reinstall rust-web-src")]
    NoSources(PathBuf),
}

/// The path of Debian's compiler, after installing what is missing.
pub(crate) fn compiler() -> Result<PathBuf, PackagesError> {
    require(&PACKAGES)?;
    let files = process::capture(Command::new("dpkg").args(["-L", "rustc-web"]))?;
    let rustc = files.lines().find(|line| line.ends_with("/bin/rustc")).ok_or(PackagesError::NoCompiler)?;
    let sysroot = process::capture(Command::new(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(sysroot.trim_end()).join("lib/rustlib/src/rust/library");
    if !sources.join("std/Cargo.toml").is_file() {
        return Err(PackagesError::NoSources(sources));
    }
    Ok(rustc.into())
}

/// Makes sure that `strace` is there, by which the kernel injects faults into writes.
pub(crate) fn tracer() -> Result<(), PackagesError> {
    match process::capture(Command::new("strace").arg("--version")) {
        Ok(_) => Ok(()),
        Err(_) => require(&["strace"]),
    }
}

/// Makes sure that `chromium` is there, in which the tests open reports, some 400 MB.
pub(crate) fn browser() -> Result<(), PackagesError> {
    match process::capture(Command::new("chromium").arg("--version")) {
        Ok(_) => Ok(()),
        Err(_) => require(&["chromium"]),
    }
}

fn require(packages: &[&'static str]) -> Result<(), PackagesError> {
    let missing: Vec<_> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${db:Status-Status}", package]);
    process::capture(&mut query).is_ok_and(|status| status == "installed")
}

fn install(missing: &[&'static str]) -> Result<(), PackagesError> {
    let rights = || apt::as_root().ok_or_else(|| PackagesError::NoRights { missing: missing.to_vec() });
    let failed = |source| PackagesError::Install { missing: missing.to_vec(), source };
    let update = || -> Result<(), PackagesError> {
        narrate::detail("asking Debian's mirror what it has (apt-get update)");
        process::capture_within(rights()?.arg("update"), apt::LIMIT).map(drop).map_err(failed)
    };
    let fetch = || -> Result<(), PackagesError> {
        narrate::detail(format!("installing Debian's packages {}", missing.join(", ")));
        let mut command = rights()?;
        command.args(["install", "--no-install-recommends"]).args(missing);
        process::capture_within(&mut command, apt::LIMIT).map(drop).map_err(failed)
    };
    if lists_are_empty(Path::new(LISTS)) {
        update()?;
        return fetch();
    }
    // Lists that are there may be older than what the mirror still has.
    fetch().or_else(|_| update().and_then(|()| fetch()))
}

fn lists_are_empty(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return true;
    };
    !entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_without_a_package_index_count_as_empty() {
        let folder = std::env::temp_dir().join(format!("xtask-lists-{}", std::process::id()));
        assert!(lists_are_empty(&folder));
        fs::create_dir_all(folder.join("partial")).unwrap();
        fs::write(folder.join("lock"), "").unwrap();
        assert!(lists_are_empty(&folder));
        fs::write(folder.join("mirror_dists_stable_main_binary-amd64_Packages.lz4"), "").unwrap();
        assert!(!lists_are_empty(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
