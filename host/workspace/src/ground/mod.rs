//! A stage as a folder of the machine, for commands.
//!
//! ```text
//! state/grounds/NAME/files     what the grant shows of the stage, and what commands made that is not versioned
//!                   /scratch   what commands put aside; theirs alone
//!                   /output    what the last command wrote
//! ```
//!
//! Before a command the folder is brought to what the stage is (`lay`), after it what changed is looked for (`scan`), put into the
//! store and into the stage (`take`). The folder stays for the attempt's next command, so that this costs what changed.
//!
//! What commands leave is hostile: everything is reached through handles, name by name, and no link is followed.

mod changes;
mod clear;
mod lay;
mod scan;
mod take;

pub use take::Taken;

use crate::disk::subfolder;
use crate::index::Stamp;
use crate::object::{ObjectError, Objects};
use crate::rules::Rules;
use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use clear::clear;
use longhaul_core::digest::Digest;
use longhaul_core::path::StagePath;
use longhaul_core::stage::FsError;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often it is tried to remove a folder that something is at work in.
const PATIENCE: u32 = 25;

/// Why a ground could not be laid or taken.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The stage has no more room.
    #[error("{0}")]
    Quota(String),
    /// Content cannot be had or kept.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A tree that was kept is not what it should be.
    #[error("the content {0} does not say what a command left; the state folder was changed")]
    Tree(Digest),
    /// The stage failed.
    #[error("the stage cannot be read: {0}")]
    Stage(FsError),
    /// The disk said no.
    #[error(
        "cannot {action} in the folder for commands; check the permissions of the state folder and the space on its disk"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl GroundError {
    pub(crate) fn io(action: &'static str) -> impl Fn(io::Error) -> Self + Copy {
        move |source| GroundError::Io { action, source }
    }
}

/// The ground of one stage. Its folder is made at the first need and removed with it.
#[derive(Debug)]
pub struct Ground {
    pub(crate) objects: Arc<Objects>,
    grounds: Arc<Dir>,
    name: String,
    rules: Rules,
    caches: Vec<StagePath>,
    places: Option<Places>,
    /// What was laid and is there still, by path.
    laid: BTreeMap<StagePath, Laid>,
    /// What a file looked like that was made when the last command was about to begin.
    began: Option<Stamp>,
    /// Whether a command may have worked there, and nothing was taken since.
    is_in_use: bool,
}

/// The folders of a ground.
#[derive(Debug)]
struct Places {
    files: Dir,
    output: Dir,
}

/// Something that was laid.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Laid {
    Folder,
    Link(String),
    File(LaidFile),
}

/// A file that was laid.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LaidFile {
    identity: u64,
    /// When it had changed in the stage.
    changed: u64,
    executable: bool,
    digest: Digest,
    /// What it looks like in the folder.
    stamp: Stamp,
}

impl Ground {
    pub(crate) fn new(
        objects: Arc<Objects>,
        grounds: Arc<Dir>,
        name: String,
        rules: Rules,
        caches: Vec<StagePath>,
    ) -> Self {
        Self {
            objects,
            grounds,
            name,
            rules,
            caches,
            places: None,
            laid: BTreeMap::new(),
            began: None,
            is_in_use: false,
        }
    }

    /// Its folder in `state/grounds`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folders within it, made where they are missing.
    fn places(&mut self) -> Result<&Places, GroundError> {
        if self.places.is_none() {
            let make = || -> io::Result<Places> {
                let own = subfolder(&self.grounds, &self.name)?;
                subfolder(&own, "scratch")?;
                Ok(Places { files: subfolder(&own, "files")?, output: subfolder(&own, "output")? })
            };
            self.places = Some(make().map_err(GroundError::io("make a folder"))?);
        }
        self.places.as_ref().ok_or(GroundError::Io { action: "make a folder", source: io::ErrorKind::NotFound.into() })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.places.take().is_some() {
            // What cannot be removed now is removed when the workspace is opened the next time.
            let _ = remove(&self.grounds, &self.name);
        }
    }
}

/// Removes a folder with all that commands made of it.
fn remove(parent: &Dir, name: &str) -> io::Result<()> {
    let remove = || clear(&parent.open_dir_nofollow(name)?).and_then(|()| parent.remove_dir(name));
    // A command that is being ended may go on making files for a moment.
    for _ in 0..PATIENCE {
        if remove().is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    remove()
}

/// Opens the folder of grounds in the state folder, and removes what an interrupted host left there.
pub(crate) fn swept(state: &Dir) -> io::Result<Dir> {
    let grounds = subfolder(state, "grounds")?;
    clear(&grounds)?;
    Ok(grounds)
}

/// The folder that `path` lies in, opened name by name so that no link is followed, and the name.
fn parent<'p>(root: &Dir, path: &'p StagePath) -> io::Result<(Dir, &'p str)> {
    let (folder, name) = path.split().ok_or(io::ErrorKind::InvalidInput)?;
    let mut dir = root.try_clone()?;
    for component in folder.components() {
        dir = dir.open_dir_nofollow(component)?;
    }
    Ok((dir, name))
}
