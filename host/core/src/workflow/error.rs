//! Errors of workflow files: where, what, and what to do.

use serde::Serialize;
use std::fmt;

/// The most errors that are told at once.
pub(super) const MAX_ERRORS: usize = 50;

/// One thing that is wrong with a workflow file.
///
/// It shows as
///
/// ```text
/// modernise.workflow.yaml:12:5: unknown field `timout` (at tasks.change.timout)
///    12 |     timout: 30m
///       |     ^
///   hint: did you mean `timeout`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowError {
    /// The file, as it was named by the caller.
    pub file: String,
    /// The line, from 1 on.
    pub line: u64,
    /// The column in characters, from 1 on.
    pub column: u64,
    /// The way to the field, as in `tasks.change.needs`; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// The line as it stands in the file, cut and without control characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_line: String,
}

impl fmt::Display for WorkflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if !self.field.is_empty() {
            write!(f, " (at {})", self.field)?;
        }
        if !self.source_line.trim().is_empty() {
            let before =
                usize::try_from(self.column).unwrap_or(1).saturating_sub(1).min(self.source_line.chars().count());
            write!(f, "\n{:>5} | {}\n      | {:before$}^", self.line, self.source_line, "")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for WorkflowError {}

/// Everything that is wrong with a workflow file, in the order of the file; never empty, at most 50.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WorkflowErrors(pub Vec<WorkflowError>);

impl From<WorkflowError> for WorkflowErrors {
    fn from(error: WorkflowError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for WorkflowErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for WorkflowErrors {}
