//! Where a run takes place: a folder with the project in it, and the state beside.

use crate::project::Project;
use longhaul_core::digest::Digest;
use longhaul_core::id::RunId;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a run is simulated best: in memory, where the machine has such a place. How fast a disk is, is not simulated.
pub fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// The folders of one run.
pub(crate) struct Ground {
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) project: Project,
    pub(crate) run: RunId,
    /// The workflow file.
    pub(crate) source: String,
}

impl Ground {
    /// Makes both folders anew below `folder`, and the project in the one.
    pub(crate) fn make(folder: &Path, project: Project, run: RunId) -> io::Result<Self> {
        let (root, state) = (folder.join("project"), folder.join("state"));
        for path in [&root, &state] {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::create_dir_all(&root)?;
        let bytes = project.write(&root)?;
        Ok(Self { root, state, project, run, source: project.workflow(bytes) })
    }

    /// What is in the user's folder: each file with the digest of its content.
    pub(crate) fn content(&self) -> io::Result<BTreeMap<String, Digest>> {
        let mut content = BTreeMap::new();
        read(&self.root, &self.root, &mut content)?;
        Ok(content)
    }
}

fn read(root: &Path, folder: &Path, content: &mut BTreeMap<String, Digest>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(root, &path, content)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            content.insert(name, Digest::of(&fs::read(&path)?));
        }
    }
    Ok(())
}
