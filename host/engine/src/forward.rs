//! The time of a run: the machine's, unless somebody has set that back since the run was last under way.

use crate::ports::{BoxFuture, Time};
use longhaul_core::clock::Clock;
use longhaul_core::units::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A clock that is ahead of the machine's by as much as the record was when the run went on.
///
/// A record whose times only wait for the machine's clock to come by again would stand still for hours: waits would take so
/// much longer, and none of it would count as time under way.
pub(crate) struct Forward {
    machine: Arc<dyn Time>,
    ahead: Duration,
}

impl Forward {
    /// The time of a run whose last record is of the time `last`.
    pub(crate) fn from(machine: Arc<dyn Time>, last: Timestamp) -> Arc<Self> {
        let ahead = last.since(machine.now());
        Arc::new(Self { machine, ahead })
    }
}

impl Clock for Forward {
    fn now(&self) -> Timestamp {
        let ahead = u64::try_from(self.ahead.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.machine.now().0.saturating_add(ahead))
    }
}

impl Time for Forward {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.machine.sleep(span)
    }
}
