//! [`Recall`]: how an attempt is told that it has to end before its own limits say so.
//!
//! The engine knows reasons that the sandbox cannot know: nothing was recorded for too long, or the task's deadline has passed. It says so, and the
//! sandbox ends the instance as it does at the limit of its time, with what it used as far as that is known, and with its record completed.

use crate::incident::Problem;
use std::pin::Pin;

/// Tells an attempt that it has to end.
pub trait Recall: Send + Sync {
    /// Resolves with the reason when the attempt has to end; never where it may go on. May be asked again.
    fn recalled(&self) -> Pin<Box<dyn Future<Output = Problem> + Send + '_>>;
}

/// Never recalls: for an attempt that is bounded by its limits alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NeverRecalled;

impl Recall for NeverRecalled {
    fn recalled(&self) -> Pin<Box<dyn Future<Output = Problem> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}
