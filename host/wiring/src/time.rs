//! The machine's clock and timers.

use longhaul_core::clock::Clock;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{BoxFuture, Time};
use std::time::{Duration, Instant};

/// The wall clock as it was at the start, moved on by the monotonic clock: it never runs backwards when somebody sets the
/// machine's time.
pub struct MachineTime {
    began: Timestamp,
    since: Instant,
}

impl MachineTime {
    /// A clock that shows `now` and goes on from there.
    pub fn new(now: Timestamp) -> Self {
        Self { began: now, since: Instant::now() }
    }
}

impl Clock for MachineTime {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.began.0.saturating_add(elapsed))
    }
}

impl Time for MachineTime {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}
