//! Where the components of a run's plugins come from, and the copies that a run keeps of them.
//!
//! A run goes on with the very components that it began with, although the files that the workflow names, or the binary
//! with the bundled ones, may have changed by then. So each is kept in the state folder, by digest, when a run begins.

use crate::failure::{Exit, Failure};
use longhaul_core::digest::Digest;
use longhaul_core::id::Name;
use longhaul_core::manifest::PluginKind;
use longhaul_engine::History;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder of kept components in a state folder.
const FOLDER: &str = "components";

/// Where components come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// From where the workflow says.
    Named,
    /// From what the run kept when it began.
    Kept {
        /// The state folder.
        state: &'a Path,
        /// What the record says of the run.
        history: &'a History,
    },
}

impl Source<'_> {
    /// The component that was kept under this name; none where it has to be taken from where the workflow says.
    pub(super) fn kept(&self, kind: PluginKind, name: &Name) -> Option<Vec<u8>> {
        let Source::Kept { state, history } = self else { return None };
        let digest = history.plugin(kind, name)?;
        let component = fs::read(path(state, &digest)).ok()?;
        // Another one is not taken for it, whoever put it there.
        (Digest::of(&component) == digest).then_some(component)
    }
}

/// Keeps a component, unless it is kept already.
pub(super) fn keep(state: &Path, digest: &Digest, component: &[u8]) -> Result<(), Failure> {
    let path = path(state, digest);
    if path.is_file() {
        return Ok(());
    }
    let keep = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(state.join(FOLDER))?;
        let written = path.with_extension("new");
        let mut file = File::create(&written)?;
        file.write_all(component)?;
        file.sync_data()?;
        fs::rename(&written, &path)
    };
    keep().map_err(|e| Failure::of(Exit::Internal, format!("keep a plugin as {}", path.display()), &e))
}

/// Where a component is kept.
pub(crate) fn path(state: &Path, digest: &Digest) -> PathBuf {
    state.join(FOLDER).join(format!("{digest}.wasm"))
}
