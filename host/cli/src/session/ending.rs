//! What is told at the end of a run, and the exit code that it ends with.

use crate::commands::print_text;
use crate::commands::runs::row_json;
use crate::failure::{Exit, Failure};
use crate::report::RunReport;
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_engine::EngineError;
use longhaul_store::Reader;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// What came of a run.
pub(super) struct Came {
    report: RunReport,
    state: String,
    /// The same as a line of JSON.
    pub(super) line: String,
}

impl Came {
    /// What came of the run, from its record: what cannot be read back was not recorded.
    pub(super) fn read(state: &Path, run: &RunId, status: RunState) -> Result<Self, Failure> {
        let unreadable =
            |e: longhaul_store::StoreError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
        let reader = Reader::open(state).map_err(unreadable)?;
        let info = reader.run(run).map_err(unreadable)?;
        let report = RunReport::read(&reader, &info, status.to_string())?;
        let state = state.display().to_string();
        // The same row as `runs` tells, with what only the run's own end has to say.
        let mut object = row_json(&info, None);
        object["status"] = json!(status);
        object["reason"] = json!(report.reason);
        object["workspace"] = json!(report.workspace);
        object["applied"] = json!(report.applied);
        object["changes"] = json!(report.changes.len());
        object["questions"] = json!(report.questions);
        object["seconds"] = json!(report.seconds);
        object["state"] = json!(state);
        Ok(Self { report, state, line: format!("{object}\n") })
    }

    /// Tells it on stdout.
    pub(super) fn tell(&self, as_json: bool) {
        if as_json {
            print_text(&self.line);
        } else {
            print_text(&self.report.to_text(&self.state));
        }
    }
}

/// What the status of a run means to whoever waits for it.
pub(super) fn exit_code(report: &longhaul_engine::RunReport) -> ExitCode {
    match report.status {
        RunState::Paused if !report.questions.is_empty() => Exit::Waiting.into(),
        RunState::Completed => ExitCode::SUCCESS,
        RunState::Escalated => Exit::Waiting.into(),
        RunState::Exhausted => Exit::Exhausted.into(),
        // With `--no-apply` a run ends before its application, and that is all that was asked for.
        RunState::Applying => ExitCode::SUCCESS,
        RunState::Failed | RunState::Cancelled | RunState::Running | RunState::Paused => Exit::Failed.into(),
    }
}

/// A run that has no end. `applied` says how many files of the user's folder were changed before.
pub(super) fn without_end(run: &RunId, error: &EngineError, applied: Option<u64>) -> Failure {
    let exit = match error {
        EngineError::Evaluate { .. }
        | EngineError::PluginMissing { .. }
        | EngineError::Over { .. }
        | EngineError::Graph(_) => Exit::Invalid,
        EngineError::PluginChanged { .. } => Exit::Refused,
        EngineError::Journal { .. } | EngineError::Defect { .. } => Exit::Internal,
    };
    Failure::of(exit, format!("finish the run {run}{}", after(applied)), error)
}

/// The record of a run that could not be closed.
pub(super) fn unclosed(error: &longhaul_store::StoreError, applied: Option<u64>) -> Failure {
    Failure::of(Exit::Internal, format!("close the record{}", after(applied)), error)
}

fn after(applied: Option<u64>) -> String {
    applied.map_or_else(String::new, |files| {
        format!("; its result was put into your folder before that, {files} files of it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::manifest::PluginKind;
    use longhaul_engine::ports::JournalError;

    #[test]
    fn a_record_that_is_lost_after_the_apply_does_not_hide_that_the_folder_was_changed() {
        let run = RunId::new("20261120-053422-7f3a00").unwrap();
        let error = EngineError::Journal { run: run.clone(), source: JournalError::Failed("no disk".into()) };
        let told = without_end(&run, &error, Some(3)).to_string();
        assert!(
            told.contains("put into your folder") && told.contains("3 files") && told.contains("no disk"),
            "{told}"
        );
        assert!(!without_end(&run, &error, None).to_string().contains("your folder"));
    }

    #[test]
    fn a_run_that_could_not_begin_is_the_inputs_fault() {
        let run = RunId::new("20261120-053422-7f3a00").unwrap();
        let error = EngineError::PluginMissing { kind: PluginKind::Agent, name: "a".into() };
        assert_eq!(without_end(&run, &error, None).exit(), Exit::Invalid);
    }
}
