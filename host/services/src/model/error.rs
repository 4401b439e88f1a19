//! What is wrong with a file that answers for a model.

/// A file that cannot answer for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ModelError {
    /// The line, from 1 on.
    pub line: u64,
    /// The column, from 1 on.
    pub column: u64,
    /// What is wrong; behind a semicolon what to do.
    pub message: String,
}
