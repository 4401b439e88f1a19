//! `cargo xtask tidy`: the house rules.

use clap::Args;

use crate::house::House;
use crate::narrate;
use crate::tidy::{self, Mode, TidyError};

/// Check formatting, dependency edges, generated files and the other house rules
#[derive(Debug, Args, Default)]
pub(crate) struct Tidy {
    /// Format the sources and write the generated files instead of complaining about them
    #[arg(long)]
    pub(crate) write: bool,
}

/// Why the rules do not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyCommandError {
    #[error(transparent)]
    Check(#[from] TidyError),
    #[error("{0} places break the house rules; each line above says what to do")]
    Broken(usize),
}

impl Tidy {
    /// Prints every place that breaks a rule.
    pub(crate) fn run(&self, house: &House) -> Result<(), TidyCommandError> {
        narrate::step("Checking the house rules");
        let mode = if self.write { Mode::Write } else { Mode::Check };
        let findings = tidy::check(house, mode)?;
        findings.iter().for_each(|finding| narrate::result(finding.to_string()));
        if findings.is_empty() { Ok(()) } else { Err(TidyCommandError::Broken(findings.len())) }
    }
}
