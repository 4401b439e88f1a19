//! Time as a parameter: libraries are told what time it is, so that a simulation can tell them otherwise.

use crate::units::Timestamp;

/// Tells the time. The time never runs backwards within one clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
