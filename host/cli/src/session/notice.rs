//! Telling somebody who is not there: a program of the operator's, run when a run comes to rest and a person has to look.
//!
//! It is the operator's own program, named on the command line and nowhere else, so it runs as the operator does, outside of
//! any sandbox. No workflow and no plugin can name one.

use crate::failure::{Exit, Failure};
use longhaul_core::state::RunState;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What such a program has to pass the news on.
const TIME: Duration = Duration::from_secs(30);

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untold {
    #[error("it could not be run: {0}")]
    Run(#[from] io::Error),
    #[error("it had not ended after {} seconds and was killed", TIME.as_secs())]
    Late,
    #[error("it ended with {0}")]
    Failed(ExitStatus),
}

/// Fails where there is no such program: better now than in the night.
pub(super) fn check(program: &Path) -> Result<(), Failure> {
    let is_program =
        |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let found = if program.components().nth(1).is_some() {
        is_program(program)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
    };
    if found {
        return Ok(());
    }
    let message = format!("`--notify`: there is no program `{}` that can be run", program.display());
    Err(Failure::new(Exit::Invalid, message)
        .hint("give the path of an executable file, as in `./tell.sh`, or the name of one in a folder of `PATH`"))
}

/// Whether a run that rests so waits for a person.
pub(super) fn is_due(status: RunState) -> bool {
    matches!(status, RunState::Failed | RunState::Escalated | RunState::Exhausted)
}

/// Runs `program` with `news`, a line of JSON, on its standard input, and waits until it has ended. What it prints goes to stderr.
pub(super) async fn give(program: &Path, news: &str) -> Result<(), Untold> {
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(stderr).kill_on_drop(true).spawn()?;
    let stdin = child.stdin.take();
    let ended = async {
        if let Some(mut stdin) = stdin {
            match stdin.write_all(news.as_bytes()).await {
                // A program need not read what it does not want to know.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait().await
    };
    match tokio::time::timeout(TIME, ended).await {
        Err(_) => Err(Untold::Late),
        Ok(status) => {
            Some(status?).filter(|status| !status.success()).map_or(Ok(()), |status| Err(Untold::Failed(status)))
        }
    }
}
