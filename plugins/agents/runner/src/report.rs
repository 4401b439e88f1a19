//! What the agent reports: each command, and each failed test with what it said, within bounds.

use longhaul_sdk::Failure;
use serde::Serialize;
use workbench::Outcome;

use crate::{
    config::Step,
    parse::{Failed, Results, Totals},
};

/// The most bytes of one test's message.
const MAX_MESSAGE: usize = 2_000;

/// The most bytes of a failed command's output that are reported.
const MAX_OUTPUT: usize = 4_000;

/// The host keeps 64 KiB of a failure's detail.
const MAX_DETAIL: usize = 60 * 1024;

/// The agent's output.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether all commands and all tests passed.
    pub passed: bool,
    /// The tests of all commands.
    pub totals: Totals,
    /// The commands, in their order.
    pub commands: Vec<CommandReport>,
    /// The failed tests, by command.
    pub failures: Vec<FailedTest>,
    /// How many more there were than are listed.
    pub failures_omitted: u64,
}

/// One command.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CommandReport {
    /// Its name.
    pub name: String,
    /// Whether it ended by itself with code 0, and none of its tests failed.
    pub passed: bool,
    /// How it ended: `exit 0`, `signal 9`, `timed out`, `not run`.
    pub ended: String,
    /// Its tests, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<Totals>,
    /// Beginning and end of what it printed, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A failed test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedTest {
    /// The command that ran it.
    pub command: String,
    /// Its name.
    pub name: String,
    /// What it said.
    pub message: String,
}

impl Report {
    /// Adds a command that was run, and what its tests came to. `said` is what there is to say of a failure that is no test's.
    pub(crate) fn add(&mut self, step: &Step, outcome: &Outcome, results: Option<Results>, said: &str, most: usize) {
        let totals = results.as_ref().map(|results| results.totals);
        let failed = results.map(|results| results.failed).unwrap_or_default();
        let passed = outcome.success && failed.is_empty() && totals.is_none_or(|totals| totals.failed == 0);
        self.totals.add(totals.unwrap_or_default());
        for Failed { name, message } in failed {
            if self.failures.len() == most {
                self.failures_omitted += 1;
                continue;
            }
            let message = workbench::shortened(&message, MAX_MESSAGE);
            self.failures.push(FailedTest { command: step.name.clone(), name, message });
        }
        self.commands.push(CommandReport {
            name: step.name.clone(),
            passed,
            ended: outcome.ended.clone(),
            tests: totals.filter(|totals| totals.all() > 0),
            output: (!passed).then(|| workbench::shortened(said, MAX_OUTPUT)),
        });
    }

    /// Adds a command that was not run any more.
    pub(crate) fn skip(&mut self, step: &Step) {
        let ended = "not run".to_owned();
        self.commands.push(CommandReport { name: step.name.clone(), ended, ..CommandReport::default() });
    }

    /// The failure that a report is which did not pass.
    pub(crate) fn failure(self) -> Failure {
        let failing = self.commands.iter().find(|command| !command.passed);
        let failed = self.totals.failed;
        let message = match (self.failures.first(), failing) {
            (Some(FailedTest { name, message, .. }), _) => {
                let said = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                let colon = if said.is_empty() { "" } else { ": " };
                let plural = if failed == 1 { "test" } else { "tests" };
                format!("{failed} of {} {plural} failed; the first is {name}{colon}{said}", self.totals.all())
            }
            (None, Some(command)) => {
                let output = command.output.as_deref().unwrap_or_default();
                let said = output.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                format!("`{}` failed ({}): {said}", command.name, command.ended)
            }
            (None, None) => "the commands did not pass".to_owned(),
        };
        Failure::validation(workbench::shortened(&message, MAX_MESSAGE)).with_detail(self.shortened_report())
    }

    /// The report with its lists cut so that the host takes it as a failure's detail.
    fn shortened_report(mut self) -> Self {
        let size = |report: &Self| serde_json::to_string(report).map_or(0, |text| text.len());
        while size(&self) > MAX_DETAIL && !self.failures.is_empty() {
            let kept = self.failures.len() / 2;
            self.failures_omitted += (self.failures.len() - kept) as u64;
            self.failures.truncate(kept);
        }
        while size(&self) > MAX_DETAIL && !self.commands.is_empty() {
            self.commands.truncate(self.commands.len() / 2);
        }
        self
    }
}
