//! How a run is told to stop: the first signal pauses it, the second ends the process.

use crate::failure::{Exit, Failure};
use crate::progress::Progress;
use longhaul_engine::RunControl;
use longhaul_store::Journal;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the record is waited for when the process is to end at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ctrl-C, and the SIGTERM that a service manager stops an unattended run with. From the moment that this is made they end the
/// process no more.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::of(Exit::Internal, "listen for signals", &e));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for signals for as long as the run goes on. What was recorded up to the second one is on the disk when the
    /// process ends, unless the disk takes longer than anybody would wait.
    pub(super) async fn watch(mut self, control: RunControl, progress: Arc<Progress>, journal: Journal) {
        self.next().await;
        progress.say("pausing; press Ctrl-C again to stop at once; `longhaul resume` goes on either way");
        control.pause();
        self.next().await;
        progress.finish();
        // A record that cannot be written is not waited for, and there is nobody left to tell.
        drop(tokio::time::timeout(PATIENCE, journal.flush()).await);
        std::process::exit(130);
    }
}
