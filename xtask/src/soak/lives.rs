//! [`Lives`]: one run, whose process is started, killed, and started again until the run is completed.

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::process;
use crate::soak::life::Life;
use crate::soak::moments::Moments;
use crate::soak::pace::Pace;
use crate::soak::{Soak, SoakError};

/// How far a run is, by its record.
struct Progress {
    completed: bool,
    /// Host calls recorded.
    actions: u64,
}

/// Every so many lives may end before they come to their work.
const EARLY: u32 = 5;

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
        self.start(false)?.end()
    }

    /// Runs to the end with kills at `moments`, at most `most` of them.
    pub(super) fn live(&mut self, moments: &mut Moments, mut pace: Pace, most: u32) -> Result<(), SoakError> {
        loop {
            let progress = self.progress()?;
            if progress.as_ref().is_some_and(|progress| progress.completed) {
                return Ok(());
            }
            let longest = pace.longest(self.kills, progress.as_ref().map_or(0, |progress| progress.actions));
            let mut life = self.start(progress.is_some())?;
            if self.kills >= most {
                life.end()?;
                continue;
            }
            if !self.lives.is_multiple_of(EARLY) {
                life.comes_to_work()?;
            }
            thread::sleep(moments.next(longest));
            self.kills += u32::from(life.kill()?);
        }
    }

    /// How far the newest run is; none where there is none yet.
    fn progress(&self) -> Result<Option<Progress>, SoakError> {
        if !self.workspace.join(".longhaul").join("journal.db").exists() {
            return Ok(None);
        }
        let Ok(text) = process::capture(self.longhaul().args(["runs", "--json", "--limit", "1"])) else {
            // Killed before the journal had its tables; a run that cannot be read at all is told by the next start.
            return Ok(None);
        };
        let runs: Value = serde_json::from_str(&text).map_err(|e| self.wrong(format!("`runs --json`: {e}")))?;
        let progress = |run: &Value| Progress {
            completed: run["status"] == "completed",
            actions: run["actions"].as_u64().unwrap_or_default(),
        };
        Ok(runs.get(0).map(progress))
    }

    /// Starts a run, or goes on with the one there is.
    fn start(&mut self, is_begun: bool) -> Result<Life, SoakError> {
        self.lives += 1;
        let mut command = self.longhaul();
        match is_begun {
            false => command.arg("run").arg(&self.soak.workflow),
            true => command.args(["resume", "last"]),
        };
        Life::start(command, self.workspace.clone())
    }

    fn longhaul(&self) -> Command {
        let mut command = Command::new(&self.soak.longhaul);
        command.arg("--workspace").arg(&self.workspace);
        command
    }

    fn wrong(&self, what: String) -> SoakError {
        SoakError::Different { what, folder: self.workspace.clone() }
    }
}
