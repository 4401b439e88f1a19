//! The C library for WASI out of Debian's next release, unpacked but not installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::narrate;
use crate::process::{self, ProcessError};
use crate::toolchain::TARGET;
use crate::toolchain::debian::apt;
use crate::toolchain::debian::mirror::{self, MirrorError};

/// The release whose `wasi-libc` knows the target; Debian 12's does not.
const SUITE: &str = "trixie";
const PACKAGE: &str = "wasi-libc";

/// Why the library is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WasiLibcError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error("the package {PACKAGE} of {SUITE} could not be fetched")]
    Fetch(#[source] ProcessError),
    #[error("the package {PACKAGE} could not be unpacked")]
    Unpack(#[source] ProcessError),
    #[error("apt downloaded no {PACKAGE} package to {0}")]
    NoPackage(PathBuf),
    #[error("the package {PACKAGE} holds no {0}")]
    Incomplete(PathBuf),
    #[error("{path} could not be written; make its folder writable or set XDG_CACHE_HOME")]
    Write { path: PathBuf, source: io::Error },
}

/// The folder with the library, fetched when it is not in the cache yet.
pub(crate) fn unpacked(cache: &Path) -> Result<PathBuf, WasiLibcError> {
    let home = cache.join(PACKAGE);
    let libraries = home.join("usr/lib").join(TARGET);
    let proof = libraries.join("crt1-reactor.o");
    if proof.is_file() {
        return Ok(libraries);
    }
    let work = cache.join("wasi-libc.download");
    let result = fetch_and_unpack(&work, &home);
    // The lists are 15 MB that nobody needs again; a leftover only costs space.
    let _ = fs::remove_dir_all(&work);
    result?;
    if proof.is_file() { Ok(libraries) } else { Err(WasiLibcError::Incomplete(proof)) }
}

fn fetch_and_unpack(work: &Path, home: &Path) -> Result<(), WasiLibcError> {
    let write = |path: &Path, source| WasiLibcError::Write { path: path.to_path_buf(), source };
    let sources = work.join("next.sources");
    let text = mirror::of_this_machine()?.sources_for(SUITE);
    // Leftovers of a call that was killed could be incomplete.
    for leftover in [work, home] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(|source| write(leftover, source))?;
        }
    }
    for folder in ["lists/partial", "cache/archives/partial"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).map_err(|source| write(&folder, source))?;
    }
    fs::write(&sources, text).map_err(|source| write(&sources, source))?;
    narrate::detail(format!("fetching the C library for WASI from Debian's mirror ({PACKAGE}, some 10 MB)"));
    for action in [["update"].as_slice(), &["download", PACKAGE]] {
        let mut command = apt::apart(work, &sources);
        process::capture_within(command.args(action), apt::LIMIT).map_err(WasiLibcError::Fetch)?;
    }
    let package = downloaded(work).ok_or_else(|| WasiLibcError::NoPackage(work.to_path_buf()))?;
    let contents = work.join("contents");
    process::capture(Command::new("dpkg").arg("-x").args([&package, &contents])).map_err(WasiLibcError::Unpack)?;
    fs::rename(&contents, home).map_err(|source| write(home, source))
}

fn downloaded(work: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(work).ok()?;
    files.flatten().map(|file| file.path()).find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}
