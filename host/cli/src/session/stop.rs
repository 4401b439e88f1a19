//! How a run is told to stop: the first signal pauses it, the second ends the process.

use crate::progress::Progress;
use longhaul_engine::RunControl;
use longhaul_store::Journal;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the record is waited for when the process is to end at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for signals for as long as the run goes on. What was recorded up to the second one is on the disk when the process
/// ends, unless the disk takes longer than anybody would wait.
pub(super) async fn watch_signals(control: RunControl, progress: Arc<Progress>, journal: Journal) {
    if next_signal().await.is_ok() {
        progress.say("pausing; press Ctrl-C again to stop at once; `longhaul resume` goes on either way");
        control.pause();
    }
    if next_signal().await.is_ok() {
        progress.finish();
        // A record that cannot be written is not waited for, and there is nobody left to tell.
        drop(tokio::time::timeout(PATIENCE, journal.flush()).await);
        std::process::exit(130);
    }
}

/// Waits for Ctrl-C, or for the SIGTERM that a service manager stops an unattended run with.
async fn next_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}
