//! [`Stamp`]: a note in the cache folder of what was prepared, so that the next call need not look for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

const FILE: &str = "debian.json";

/// What makes up the Debian toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Debian's compiler.
    pub(crate) rustc: PathBuf,
    /// The folder with the linkers of the rustup toolchain.
    pub(crate) linkers: PathBuf,
    /// The folder with the C library.
    pub(crate) libraries: PathBuf,
}

/// Why a stamp could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path} could not be written; make its folder writable or set XDG_CACHE_HOME")]
pub(crate) struct StampError {
    path: PathBuf,
    source: io::Error,
}

impl Stamp {
    /// Reads the stamp; none when there is none, or when something that it names is gone.
    pub(crate) fn read(cache: &Path) -> Option<Stamp> {
        let value: serde_json::Value = serde_json::from_slice(&fs::read(cache.join(FILE)).ok()?).ok()?;
        let path = |name: &str| value[name].as_str().map(PathBuf::from);
        let stamp = Stamp { rustc: path("rustc")?, linkers: path("linkers")?, libraries: path("libraries")? };
        let parts =
            [stamp.rustc.clone(), stamp.linkers.join("wasm-component-ld"), stamp.libraries.join("crt1-reactor.o")];
        parts.iter().all(|part| part.is_file()).then_some(stamp)
    }

    /// Writes the stamp, whole or not at all.
    pub(crate) fn write(&self, cache: &Path) -> Result<(), StampError> {
        let text = json!({ "rustc": self.rustc, "linkers": self.linkers, "libraries": self.libraries }).to_string();
        let path = cache.join(FILE);
        let draft = cache.join(format!("{FILE}.new"));
        let write = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        write.map_err(|source| StampError { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_void_once_a_part_is_gone() {
        let cache = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&cache).unwrap();
        let stamp = Stamp { rustc: cache.join("rustc"), linkers: cache.clone(), libraries: cache.clone() };
        for part in ["rustc", "wasm-component-ld", "crt1-reactor.o"] {
            fs::write(cache.join(part), "").unwrap();
        }
        stamp.write(&cache).unwrap();
        assert_eq!(Stamp::read(&cache), Some(stamp));
        fs::remove_file(cache.join("crt1-reactor.o")).unwrap();
        assert_eq!(Stamp::read(&cache), None);
        fs::remove_dir_all(&cache).unwrap();
    }
}
