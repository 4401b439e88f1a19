//! How a task ends badly. The kind decides how it is recovered, so choose it with care.

use std::{fmt, io, time::Duration};

use serde::Serialize;

use crate::Error;
use crate::bindings::agent::exports::longhaul::plugin::work::Failure as WitFailure;
pub use crate::bindings::agent::exports::longhaul::plugin::work::FailureKind;

/// How a task ends badly.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What kind of failure it was; decides how it is recovered.
    pub kind: FailureKind,
    /// One sentence for a person: what failed, on what, and what to do.
    pub message: String,
    /// More for machines. The host keeps at most 64 KiB of it.
    pub detail: Option<serde_json::Value>,
    /// How long to wait before the next attempt, where a service told.
    pub retry_after: Option<Duration>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)+) => {
        impl Failure {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self { kind: FailureKind::$kind, message: message.into(), detail: None, retry_after: None }
            })+
        }
    };
}

constructors! {
    /// Something outside failed and may work later.
    transient => Transient;
    /// A service asked to slow down.
    rate_limited => RateLimited;
    /// Something took too long.
    timed_out => TimedOut;
    /// Somebody else changed the same thing.
    conflict => Conflict;
    /// The work was done and is not good enough.
    validation => Validation;
    /// A grant is missing.
    denied => Denied;
    /// A limit or a budget is used up.
    exhausted => Exhausted;
    /// The input or the configuration makes no sense. Trying again changes nothing.
    invalid_input => InvalidInput;
    /// It cannot be done. Trying again changes nothing.
    fatal => Fatal;
}

impl Failure {
    /// Adds detail for machines. A value that has no JSON form is left out.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Serialize) -> Self {
        self.detail = serde_json::to_value(detail).ok();
        self
    }

    /// Says how long to wait before the next attempt; the strategy `retry-jitter` waits that long at least.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let message = error.to_string();
        match error.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::denied(message),
            Kind::TimedOut => Self::timed_out(message),
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge | Kind::OutOfMemory => {
                Self::exhausted(message)
            }
            Kind::Interrupted | Kind::WouldBlock | Kind::ResourceBusy => Self::transient(message),
            _ => Self::fatal(message),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(message),
            Error::Invalid(_) => Self::invalid_input(message),
            Error::Exhausted(_) => Self::exhausted(message),
            Error::TimedOut(_) => Self::timed_out(message),
            Error::RateLimited(wait) => Self { retry_after: wait, ..Self::rate_limited(message) },
            Error::Failed(_) => Self::transient(message),
            Error::Unavailable(_) | Error::Cancelled => Self::fatal(message),
        }
    }
}

impl From<Failure> for WitFailure {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind,
            message: failure.message,
            detail: failure.detail.map(|detail| detail.to_string()),
            retry_after: failure.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Denial;

    #[test]
    fn a_refused_file_is_a_missing_grant_and_a_missing_file_is_fatal() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::PermissionDenied)).kind, FailureKind::Denied);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::NotFound)).kind, FailureKind::Fatal);
    }

    #[test]
    fn a_denial_repeats_the_line_that_would_grant_it() {
        let failure = Failure::from(Error::Denied(Denial {
            capability: "exec".into(),
            resource: "cargo test".into(),
            grant: "exec: [[\"cargo\", \"test\"]]".into(),
            reason: "no command is granted".into(),
        }));
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.message.contains("exec: [[\"cargo\", \"test\"]]"), "{}", failure.message);
        assert!(failure.message.contains("cargo test"), "{}", failure.message);
    }

    #[test]
    fn the_wait_that_a_service_asked_for_is_handed_on() {
        let failure = Failure::from(Error::RateLimited(Some(Duration::from_millis(1500))));
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert_eq!(WitFailure::from(failure).retry_after, Some(1500));
    }
}
