//! Why a record is no history to go on from.

use crate::ports::JournalError;
use longhaul_core::entry::Position;

/// A run cannot be resumed from its record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("the record of the run cannot be read")]
    Journal(#[from] JournalError),
    /// It does not begin as a record does.
    #[error("the record of the run does not say how it began")]
    NoStart,
    /// An entry that does not fit what came before it.
    #[error("entry {} of the record does not fit the ones before it: {what}", .at.0)]
    Misfit {
        /// The entry.
        at: Position,
        /// Why.
        what: String,
    },
}

pub(super) fn misfit(at: Position, what: impl Into<String>) -> HistoryError {
    HistoryError::Misfit { at, what: what.into() }
}
