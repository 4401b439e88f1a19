//! [`Live`]: what comes out of a call while it is under way, for whoever watches the run. Nothing of it is recorded: the record has
//! the call's end.

use crate::id::AttemptId;

/// Shows what comes out of a call under way.
pub trait Live: Send + Sync {
    /// The attempt's call has brought this. Must not block; what is shown of it is the watcher's business.
    fn shows(&self, attempt: &AttemptId, text: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotShown;

impl Live for NotShown {
    fn shows(&self, _: &AttemptId, _: &str) {}
}
