//! [`Lives`]: one run, whose process is started, killed, and started again until the run is completed.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::process;
use crate::soak::moments::Moments;
use crate::soak::{Soak, SoakError};

/// The signal that nobody can catch.
const SIGKILL: i32 = 9;
/// What the longest life is, as a part of an undisturbed run: short enough that a run has several, long enough that it ends.
const PART: u32 = 2;
/// More lives than this without an end, and the run gets nowhere.
const MOST: u32 = 1_000;

/// A run under kills.
pub(super) struct Lives<'a> {
    soak: &'a Soak,
    workspace: PathBuf,
    /// Processes started.
    pub(super) lives: u32,
    /// Processes killed at work.
    pub(super) kills: u32,
}

impl<'a> Lives<'a> {
    pub(super) fn new(soak: &'a Soak, workspace: PathBuf) -> Self {
        Self { soak, workspace, lives: 0, kills: 0 }
    }

    /// Runs to the end without a kill.
    pub(super) fn undisturbed(&mut self) -> Result<(), SoakError> {
        let status = self.start(None)?.wait().map_err(SoakError::Start)?;
        self.ended(status)
    }

    /// Runs to the end with kills at `moments`, at most `most` of them.
    pub(super) fn live(&mut self, moments: &mut Moments, undisturbed: Duration, most: u32) -> Result<(), SoakError> {
        loop {
            let status = self.status()?;
            if status.as_deref() == Some("completed") {
                return Ok(());
            }
            if self.lives >= MOST {
                return Err(self.wrong(format!("the run is {status:?} after {MOST} lives and gets nowhere")));
            }
            let mut child = self.start(status)?;
            if self.kills >= most {
                let status = child.wait().map_err(SoakError::Start)?;
                self.ended(status)?;
                continue;
            }
            thread::sleep(moments.next(undisturbed / PART));
            // Where it has ended already, nothing is killed.
            child.kill().map_err(SoakError::Start)?;
            let status = child.wait().map_err(SoakError::Start)?;
            match status.signal() {
                Some(SIGKILL) => self.kills += 1,
                _ => self.ended(status)?,
            }
        }
    }

    /// How the newest run stands; none where there is none yet.
    fn status(&self) -> Result<Option<String>, SoakError> {
        if !self.workspace.join(".longhaul").join("journal.db").exists() {
            return Ok(None);
        }
        let Ok(text) = process::capture(self.longhaul().args(["runs", "--json", "--limit", "1"])) else {
            // Killed before the journal had its tables; a run that cannot be read at all is told by the next start.
            return Ok(None);
        };
        let runs: Value = serde_json::from_str(&text).map_err(|e| self.wrong(format!("`runs --json`: {e}")))?;
        Ok(runs[0]["status"].as_str().map(str::to_owned))
    }

    /// Starts a run, or goes on with the one there is.
    fn start(&mut self, status: Option<String>) -> Result<Child, SoakError> {
        self.lives += 1;
        let mut command = self.longhaul();
        match status {
            None => command.arg("run").arg(&self.soak.workflow),
            Some(_) => command.args(["resume", "last"]),
        };
        let log = std::fs::File::create(self.workspace.with_extension("said")).map_err(SoakError::Start)?;
        command.arg("--quiet").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(SoakError::Start)
    }

    fn longhaul(&self) -> Command {
        let mut command = Command::new(&self.soak.longhaul);
        command.arg("--workspace").arg(&self.workspace);
        command
    }

    /// A process that was not killed has to end well.
    fn ended(&self, status: ExitStatus) -> Result<(), SoakError> {
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(self.workspace.with_extension("said")).unwrap_or_default();
        Err(self.wrong(format!("life {} of the run ended with {status}: {}", self.lives, said.trim())))
    }

    fn wrong(&self, what: String) -> SoakError {
        SoakError::Different { what, folder: self.workspace.clone() }
    }
}
