//! Remedy 3: Debian's own Rust compiler, its sources, and its C library for WASI.
//!
//! Debian 12 carries a recent compiler (`rustc-web`) with the sources of the standard library (`rust-web-src`)
//! in its security suite. The C library `wasi-libc` new enough for `wasm32-wasip2` is in the next release; its package is
//! unpacked into the cache folder, never installed. The linkers come from the active rustup toolchain, which
//! has them for every target. Cargo then builds the standard library itself.
//!
//! [`prepared`] finds the result of an earlier [`prepare`] without starting any program.

mod apt;
mod mirror;
mod packages;
mod stamp;
mod wasi_libc;

pub(crate) use packages::{browser, tracer};

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::House;
use crate::process::{self, ProcessError};
use crate::toolchain::WasmToolchain;
use crate::toolchain::debian::stamp::Stamp;
use crate::toolchain::installed;
use crate::toolchain::lock::{LockError, cache_folder};

/// Why Debian's packages did not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DebianError {
    #[error("this machine has no apt; the packages are for Debian 12")]
    NoApt,
    #[error("the active toolchain lacks {0}, which links components")]
    NoLinker(PathBuf),
    #[error("PATH cannot be extended by {0}")]
    Path(PathBuf, #[source] env::JoinPathsError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Cache(#[from] LockError),
    #[error(transparent)]
    Packages(#[from] packages::PackagesError),
    #[error(transparent)]
    WasiLibc(#[from] wasi_libc::WasiLibcError),
    #[error("what was prepared could not be noted down")]
    Stamp(#[from] stamp::StampError),
}

/// Installs and unpacks what is missing.
pub(crate) fn prepare(house: &House) -> Result<WasmToolchain, DebianError> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err(DebianError::NoApt);
    }
    let cache = cache_folder().ok_or(LockError::NoHome)?;
    let linkers = linkers(house)?;
    let rustc = packages::compiler()?;
    let libraries = wasi_libc::unpacked(&cache)?;
    let stamp = Stamp { rustc, linkers, libraries };
    stamp.write(&cache)?;
    toolchain(&stamp)
}

/// What an earlier call prepared, when all of it is still there.
pub(crate) fn prepared() -> Option<WasmToolchain> {
    let stamp = Stamp::read(&cache_folder()?)?;
    toolchain(&stamp).ok()
}

/// The folder with `wasm-component-ld` in the active toolchain.
fn linkers(house: &House) -> Result<PathBuf, DebianError> {
    let version = process::capture(Command::new(house.rustc()).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let folder = installed::sysroot(house)?.join("lib/rustlib").join(host).join("bin");
    for linker in ["wasm-component-ld", "gcc-ld/wasm-ld"] {
        if !folder.join(linker).is_file() {
            return Err(DebianError::NoLinker(folder.join(linker)));
        }
    }
    Ok(folder)
}

fn toolchain(stamp: &Stamp) -> Result<WasmToolchain, DebianError> {
    let mut folders = vec![stamp.linkers.join("gcc-ld"), stamp.linkers.clone()];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(folders).map_err(|error| DebianError::Path(stamp.linkers.clone(), error))?;
    Ok(WasmToolchain {
        origin: format!("Debian's {} with its own standard library", stamp.rustc.display()),
        env: vec![
            ("PATH", path),
            ("RUSTC", stamp.rustc.clone().into_os_string()),
            // Building the standard library is an unstable feature of a stable compiler.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_ENCODED_RUSTFLAGS", rustflags(&stamp.libraries)),
        ],
        cargo_arguments: vec!["-Zbuild-std=std,panic_abort".to_owned()],
    })
}

/// Flags for the target only: cargo does not apply them to build scripts once a target is named.
///
/// In cargo's encoded form a unit separator stands between flags, so that a folder may contain spaces.
fn rustflags(libraries: &Path) -> OsString {
    let mut flags = OsString::from("-Clink-self-contained=no\x1f-L\x1fnative=");
    flags.push(libraries);
    flags.push("\x1f-Clink-arg=");
    flags.push(libraries.join("crt1-reactor.o"));
    flags
}
