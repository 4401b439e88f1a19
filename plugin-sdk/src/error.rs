//! Why a host call did not do what it was asked to do.

use std::{fmt, time::Duration};

pub use crate::bindings::agent::longhaul::plugin::types::Denial;
use crate::bindings::agent::longhaul::plugin::types::Error as WitError;

/// Why a host call did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not cover it. Asking again changes nothing.
    Denied(Denial),
    /// This host, or this run, has no such service. The text says why.
    Unavailable(String),
    /// The arguments make no sense. The text names the argument.
    Invalid(String),
    /// A quota, a size limit or a budget is used up. The text names it with its value.
    Exhausted(String),
    /// The call took longer than its time limit.
    TimedOut(Duration),
    /// The service asks to wait; the value says how long, where it told.
    RateLimited(Option<Duration>),
    /// The service tried and failed. The text is its own word.
    Failed(String),
    /// The run is being cancelled; finish at once.
    Cancelled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => {
                write!(f, "{} of `{}` is denied: {}", denial.capability, denial.resource, denial.reason)?;
                match denial.grant.as_str() {
                    "" => Ok(()),
                    grant => write!(f, "; this line under `permissions` would grant it: {grant}"),
                }
            }
            Self::Unavailable(reason) => write!(f, "the service is unavailable: {reason}"),
            Self::Invalid(argument) => write!(f, "the call makes no sense: {argument}"),
            Self::Exhausted(limit) => write!(f, "a limit is used up: {limit}"),
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::RateLimited(Some(wait)) => write!(f, "the service asks to wait for {wait:?}"),
            Self::RateLimited(None) => write!(f, "the service asks to slow down"),
            Self::Failed(reason) => write!(f, "the service failed: {reason}"),
            Self::Cancelled => write!(f, "the run is being cancelled"),
        }
    }
}

impl std::error::Error for Error {}

impl From<WitError> for Error {
    fn from(error: WitError) -> Self {
        match error {
            WitError::Denied(denial) => Self::Denied(denial),
            WitError::Unavailable(reason) => Self::Unavailable(reason),
            WitError::Invalid(argument) => Self::Invalid(argument),
            WitError::Exhausted(limit) => Self::Exhausted(limit),
            WitError::TimedOut(limit) => Self::TimedOut(Duration::from_millis(limit)),
            WitError::RateLimited(wait) => Self::RateLimited(wait.map(Duration::from_millis)),
            WitError::Failed(reason) => Self::Failed(reason),
            WitError::Cancelled => Self::Cancelled,
        }
    }
}
