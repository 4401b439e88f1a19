//! The state folder of a workspace: where it is, what is in it, and who may write it.
//!
//! ```text
//! .longhaul/
//!   lock          one process writes at a time
//!   journal.db    the record of every run
//!   objects/      contents of files, by digest
//!   stages/       what attempts write before it is committed
//!   logs/         the host's own log
//! ```

use crate::failure::{Exit, Failure};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_store::{Reader, ResolveError, StateLock};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The state folder's name in a workspace.
pub(crate) const NAME: &str = ".longhaul";

/// Where a command finds the state: options that all commands share.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The workspace's root [default: for `run` the workflow's own, else this folder; for other commands the nearest folder
    /// from this one upwards with a `.longhaul`]
    #[arg(long, short = 'C', global = true, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// The state folder, where it is not `.longhaul` in the workspace
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl Place {
    /// The state folder of an existing workspace, for commands that look at runs.
    pub(crate) fn find(&self) -> Result<PathBuf, Failure> {
        if let Some(state) = &self.state {
            return existing(state, "state folder");
        }
        if let Some(workspace) = &self.workspace {
            return existing(&existing(workspace, "workspace")?.join(NAME), "state folder")
                .map_err(|f| f.hint("no run was made in this workspace yet; start one with `longhaul run WORKFLOW`"));
        }
        let here = std::env::current_dir().map_err(|e| Failure::of(Exit::Invalid, "find the current folder", &e))?;
        here.ancestors().map(|folder| folder.join(NAME)).find(|folder| folder.is_dir()).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("no run was made in {} or a folder above it", here.display()))
                .hint("start one with `longhaul run WORKFLOW`, or name the workspace with `--workspace DIR`")
        })
    }

    /// The root of the workspace for a new run, and its state folder, which may not be there yet.
    pub(crate) fn for_run(&self) -> Result<(PathBuf, PathBuf), Failure> {
        let root = existing(self.workspace.as_deref().unwrap_or(Path::new(".")), "workspace")
            .map_err(|f| f.hint("name an existing folder with `--workspace DIR`"))?;
        let state = match &self.state {
            Some(state) => {
                std::path::absolute(state).map_err(|e| Failure::of(Exit::Invalid, "find the state folder", &e))?
            }
            None => root.join(NAME),
        };
        Ok((root, state))
    }

    /// A reader of the journal.
    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        let folder = self.find()?;
        Reader::open(&folder)
            .map_err(|e| Failure::of(Exit::Invalid, format!("read the runs in {}", folder.display()), &e))
    }
}

/// The run that `given` names.
pub(crate) fn resolve(reader: &Reader, given: &str) -> Result<RunId, Failure> {
    reader.resolve(given).map_err(|error| match error {
        ResolveError::Store(e) => Failure::of(Exit::Internal, "read the runs", &e),
        other => Failure::new(Exit::Invalid, other.to_string()),
    })
}

/// Takes the state folder for this process, making it where it is missing.
pub(crate) fn lock(folder: &Path, command: &str) -> Result<StateLock, Failure> {
    StateLock::acquire(folder, now(), command)
        .map_err(|e| Failure::of(Exit::Invalid, format!("use the state folder {}", folder.display()), &e))
}

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn existing(folder: &Path, what: &str) -> Result<PathBuf, Failure> {
    let meta = std::fs::metadata(folder)
        .map_err(|e| Failure::of(Exit::Invalid, format!("use the {what} {}", folder.display()), &e))?;
    if !meta.is_dir() {
        return Err(Failure::new(Exit::Invalid, format!("the {what} {} is not a folder", folder.display())));
    }
    std::fs::canonicalize(folder)
        .map_err(|e| Failure::of(Exit::Invalid, format!("use the {what} {}", folder.display()), &e))
}
