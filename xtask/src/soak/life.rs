//! [`Life`]: one process that works on a run, until it ends or is killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use crate::soak::SoakError;

/// The signal that nobody can catch.
const SIGKILL: i32 = 9;

/// A process that was started.
pub(super) struct Life {
    child: Child,
    says: BufReader<ChildStderr>,
    said: String,
    workspace: PathBuf,
}

impl Life {
    pub(super) fn start(mut command: Command, workspace: PathBuf) -> Result<Self, SoakError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(SoakError::Start)?;
        let says = child.stderr.take().ok_or_else(|| SoakError::Start(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, says: BufReader::new(says), said: String::new(), workspace })
    }

    /// Waits until the process tells that the run is under way, or ends.
    pub(super) fn comes_to_work(&mut self) -> Result<(), SoakError> {
        self.says.read_line(&mut self.said).map(drop).map_err(SoakError::Start)
    }

    /// Kills the process; false where it had ended already, which it has to have done well.
    pub(super) fn kill(mut self) -> Result<bool, SoakError> {
        self.child.kill().map_err(SoakError::Start)?;
        let status = self.wait()?;
        if status.signal() == Some(SIGKILL) { Ok(true) } else { self.ended_well(status).map(|()| false) }
    }

    /// Waits for the end, which has to be a good one.
    pub(super) fn end(mut self) -> Result<(), SoakError> {
        let status = self.wait()?;
        self.ended_well(status)
    }

    fn wait(&mut self) -> Result<ExitStatus, SoakError> {
        self.says.read_to_string(&mut self.said).map_err(SoakError::Start)?;
        self.child.wait().map_err(SoakError::Start)
    }

    fn ended_well(&self, status: ExitStatus) -> Result<(), SoakError> {
        if status.success() {
            return Ok(());
        }
        let what = format!("a process that worked on the run ended with {status}: {}", self.said.trim());
        Err(SoakError::Different { what, folder: self.workspace.clone() })
    }
}
