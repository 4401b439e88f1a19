//! What other processes ask of the one that carries a run: to pause it, to cancel it, to make a checkpoint.
//!
//! A request is a file in the state folder, `requests/RUN`, whose content is one word. Only who may write the state folder can
//! ask, and the process that carries the run looks a few times a second. What nobody takes is taken back by who asked.

use super::answers;
use crate::failure::{Exit, Failure};
use crate::progress::Progress;
use longhaul_core::id::RunId;
use longhaul_engine::RunControl;
use longhaul_store::StateLock;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The folder of requests in a state folder.
pub(super) const FOLDER: &str = "requests";
/// How often requests are looked for.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How long a run is waited for that was asked to stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The most that is read of a request: whoever wrote it was not us.
const MAX_WORD: u64 = 16;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// To stop at a safe point, to be resumed.
    Pause,
    /// To end for good.
    Cancel,
    /// To make a checkpoint, and go on.
    Checkpoint,
}

impl Request {
    fn word(self) -> &'static str {
        match self {
            Request::Pause => "pause",
            Request::Cancel => "cancel",
            Request::Checkpoint => "checkpoint",
        }
    }
}

/// Asks the process that carries `run` and waits until it has taken the request, and let go of the run where that is asked. Tells
/// whether there was such a process.
pub(crate) fn ask(state: &Path, run: &RunId, request: Request) -> Result<bool, Failure> {
    let failed = |e: io::Error| Failure::of(Exit::Internal, format!("ask the run to {}", request.word()), &e);
    if !is_carried(state, run).map_err(failed)? {
        return Ok(false);
    }
    let path = path(state, run);
    DirBuilder::new().recursive(true).mode(0o700).create(state.join(FOLDER)).map_err(failed)?;
    let written = path.with_extension("new");
    fs::write(&written, request.word()).and_then(|()| fs::rename(&written, &path)).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    while is_carried(state, run).map_err(failed)? && (request != Request::Checkpoint || path.exists()) {
        if Instant::now() >= deadline {
            drop(fs::remove_file(&path));
            let message = format!("run {run} was asked to {} and still goes on after a minute", request.word());
            return Err(Failure::new(Exit::Internal, message).hint("ask again, or end its process"));
        }
        std::thread::sleep(LOOK);
    }
    drop(fs::remove_file(&path));
    Ok(true)
}

/// Forgets what was asked of a process that is gone. To be done before others are told that this one carries the run.
pub(super) fn forget(state: &Path, run: &RunId) {
    drop(fs::remove_file(path(state, run)));
}

/// Takes what is asked of `run`, for as long as it is carried.
pub(super) async fn watch(state: PathBuf, run: RunId, control: RunControl, progress: Arc<Progress>) {
    let path = path(&state, &run);
    loop {
        tokio::time::sleep(LOOK).await;
        answers::take(&state, &run, &control).await;
        match take(&path).as_deref() {
            Some("pause") => {
                progress.say("pausing, as `longhaul pause` asks");
                control.pause();
            }
            Some("checkpoint") => control.checkpoint(),
            Some("cancel") => {
                progress.say("cancelling, as `longhaul cancel` asks");
                control.cancel();
            }
            _ => {}
        }
    }
}

fn take(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut word = String::new();
    fs::File::open(path).ok()?.take(MAX_WORD).read_to_string(&mut word).ok()?;
    fs::remove_file(path).ok()?;
    Some(word)
}

fn path(state: &Path, run: &RunId) -> PathBuf {
    state.join(FOLDER).join(run.as_str())
}

pub(super) fn is_carried(state: &Path, run: &RunId) -> Result<bool, io::Error> {
    let holder = StateLock::holder(state).map_err(io::Error::other)?;
    Ok(holder.is_some_and(|holder| holder.run.as_ref() == Some(run)))
}
