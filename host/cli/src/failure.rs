//! How a command fails: one place that turns errors into a cause chain, a hint and an exit code.

use crate::terminal::say;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What a command's end means. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The run failed.
    Failed = 1,
    /// Usage or input is wrong.
    Invalid = 2,
    /// A person has to look.
    Waiting = 3,
    /// Something is not as it was recorded.
    Unverified = 4,
    /// A permission, a pin or a signature refuses it.
    Refused = 5,
    /// A budget is used up.
    Exhausted = 6,
    /// Longhaul itself failed.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

/// A record that cannot be opened to write to it: where its file is another version's, or nobody's, the operator named the wrong one.
pub(crate) fn unopened(doing: impl fmt::Display, error: &longhaul_store::StoreError) -> Failure {
    let exit = if error.is_foreign() { Exit::Invalid } else { Exit::Internal };
    Failure::of(exit, doing, error)
}

impl Failure {
    /// A failure told by one sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// A failure to do something because of an error: `doing` completes the words «failed to».
    pub(crate) fn of(exit: Exit, doing: impl fmt::Display, error: &(dyn Error + 'static)) -> Self {
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors repeat their cause in their own text.
            if !causes.iter().any(|c| c.contains(&text)) {
                causes.push(text);
            }
            source = cause.source();
        }
        Self { exit, message: format!("failed to {doing}"), causes, hint: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The code that the program ends with.
    #[cfg(test)]
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells it on stderr.
    pub(crate) fn report(self) -> ExitCode {
        say(self.to_string().trim_end());
        self.exit.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            writeln!(f, "  because: {}", cause.replace('\n', "\n  "))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}
