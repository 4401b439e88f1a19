//! Why an entry of a try is not in the record, and what that means for the try.

use crate::ports::JournalError;
use longhaul_core::attempt::{Divergence, RecordError};
use longhaul_core::effect::UnknownOutcome;
use longhaul_core::incident::{IncidentClass, Problem};

/// Why an entry is not in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The record is lost, and with it the run.
    Lost(JournalError),
    /// The entry, or the replay, is at fault: the attempt has this problem.
    Attempt(Box<AttemptFault>),
}

/// What is wrong with one attempt's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptFault {
    /// The replay is not what was recorded.
    Diverged(Divergence),
    /// Nobody knows whether an effect of it has happened.
    Unknown(UnknownOutcome),
    /// The record does not take the entry.
    Refused(String),
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Refused(reason) => Fault::Attempt(Box::new(AttemptFault::Refused(reason))),
            lost => Fault::Lost(lost),
        }
    }
}

impl From<AttemptFault> for Problem {
    fn from(fault: AttemptFault) -> Self {
        match fault {
            AttemptFault::Diverged(divergence) => divergence.into(),
            AttemptFault::Unknown(unknown) => unknown.into(),
            AttemptFault::Refused(reason) => Problem::new(
                IncidentClass::Exhausted,
                format!(
                    "the record does not take what the attempt did: {reason}; split the task, or let it put out less"
                ),
            ),
        }
    }
}

impl Fault {
    /// The fault of an attempt that was told so, while the record as such is well.
    pub(crate) fn of(error: RecordError) -> Self {
        Fault::Attempt(Box::new(match error {
            RecordError::Diverged(divergence) => AttemptFault::Diverged(divergence),
            RecordError::Unknown(unknown) => AttemptFault::Unknown(*unknown),
            RecordError::Lost(reason) => AttemptFault::Refused(reason),
        }))
    }
}

/// A fault as the sandbox is told of it.
pub(crate) fn told(fault: Fault) -> RecordError {
    match fault {
        Fault::Lost(error) => RecordError::Lost(error.to_string()),
        Fault::Attempt(fault) => match *fault {
            AttemptFault::Diverged(divergence) => RecordError::Diverged(divergence),
            AttemptFault::Unknown(unknown) => RecordError::Unknown(Box::new(unknown)),
            AttemptFault::Refused(reason) => RecordError::Lost(reason),
        },
    }
}
