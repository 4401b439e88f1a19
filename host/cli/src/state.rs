//! The state folder of a workspace: where it is, what is in it, and who may write it.
//!
//! ```text
//! .longhaul/
//!   longhaul-state  the mark: a folder with content and without it is somebody's own, and is left alone
//!   lock            one process writes at a time
//!   journal.db      the record of every run, and what agents remember
//!   objects/        contents of files, by digest
//!   tmp/            contents on their way there
//!   stages/         what attempts write before it is committed
//!   grounds/        the folders that commands work in
//!   caches/         what commands of several tasks share
//!   apply/          a result on its way into the user's folder
//!   logs/           the host's own log
//! ```

use crate::failure::{Exit, Failure};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_store::{Reader, ResolveError, StateLock};
use std::io::ErrorKind;
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
            return existing(&own(&existing(workspace, "workspace")?)?, "state folder")
                .map_err(|f| f.hint("no run was made in this workspace yet; start one with `longhaul run WORKFLOW`"));
        }
        let here = std::env::current_dir().map_err(|e| Failure::of(Exit::Invalid, "find the current folder", &e))?;
        let found = here.ancestors().find(|folder| folder.join(NAME).is_dir()).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("no run was made in {} or a folder above it", here.display()))
                .hint("start one with `longhaul run WORKFLOW`, or name the workspace with `--workspace DIR`")
        })?;
        own(found)
    }

    /// The root of the workspace for a new run, and its state folder, which may not be there yet. Nothing is made.
    pub(crate) fn for_run(&self) -> Result<(PathBuf, PathBuf), Failure> {
        let root = existing(self.workspace.as_deref().unwrap_or(Path::new(".")), "workspace")
            .map_err(|f| f.hint("name an existing folder with `--workspace DIR`"))?;
        let state = match &self.state {
            Some(state) => {
                let state = real(state).map_err(|e| unusable(state, &e))?;
                apart(&root, &state)?;
                state
            }
            None => own(&root)?,
        };
        StateLock::check(&state).map_err(|e| unusable(&state, &e))?;
        Ok((root, state))
    }

    /// The root of the workspace that the result of a run belongs into, whose state is in the existing folder `state`.
    pub(crate) fn for_apply(&self, state: &Path) -> Result<PathBuf, Failure> {
        let root = match (&self.workspace, &self.state, state.parent()) {
            (Some(workspace), ..) => existing(workspace, "workspace")?,
            (None, None, Some(parent)) => return Ok(parent.to_owned()),
            _ => {
                let message = "`--state` is given, and which folder the result belongs into is not";
                return Err(Failure::new(Exit::Invalid, message).hint("name it with `--workspace DIR`"));
            }
        };
        apart(&root, state)?;
        Ok(root)
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
    StateLock::acquire(folder, now(), command).map_err(|e| unusable(folder, &e))
}

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The state folder in the workspace `root`, which may not be there yet. A link in its place could lead to any folder of the
/// user's, and what is in a state folder is removed without asking; so it is not followed.
fn own(root: &Path) -> Result<PathBuf, Failure> {
    let state = root.join(NAME);
    match state.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Err(Failure::new(
            Exit::Invalid,
            format!("{} is a link, and a link is not taken for a state folder", state.display()),
        )
        .hint("remove it, or name the folder that it leads to with `--state DIR`")),
        _ => Ok(state),
    }
}

/// Refuses a state folder that agents would see as part of the workspace, and a workspace that is part of its state.
fn apart(root: &Path, state: &Path) -> Result<(), Failure> {
    if state == root.join(NAME) || !(state.starts_with(root) || root.starts_with(state)) {
        return Ok(());
    }
    let (state, root) = (state.display(), root.display());
    let message = format!(
        "the state folder {state} and the workspace {root} lie in one another, and agents would change the state"
    );
    Err(Failure::new(Exit::Invalid, message)
        .hint(format!("leave `--state` out, which means {NAME} in the workspace, or name a folder outside of it")))
}

/// The path of `folder` without links and `..`, also where its last parts are missing.
fn real(folder: &Path) -> std::io::Result<PathBuf> {
    match std::fs::canonicalize(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => match (folder.parent(), folder.file_name()) {
            (Some(parent), Some(name)) if parent.as_os_str().is_empty() => Ok(real(Path::new("."))?.join(name)),
            (Some(parent), Some(name)) => Ok(real(parent)?.join(name)),
            _ => Err(error),
        },
        found => found,
    }
}

fn unusable(state: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::of(Exit::Invalid, format!("use the state folder {}", state.display()), error)
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
